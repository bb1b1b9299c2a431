export function Executors() { return null }
