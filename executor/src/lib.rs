//! Placeholder root of the room; filled in by the commits that follow.
