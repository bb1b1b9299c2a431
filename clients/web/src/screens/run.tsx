export function RunScreen(_: { id: string; rest: string[] }) { return null }
