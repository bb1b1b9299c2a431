// Owns one word: that what follows is made anew when these change. Reading a signal is all that it takes; this says so.

export function dependsOn(...read: unknown[]): void {
  // The values themselves are of no interest.
  read.length = 0
}
