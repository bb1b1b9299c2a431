export function Logs(_: { id: string; node: string }) { return null }
