//! Tests of the API over its own filter: real conductor, journal in memory, and an executor that does what it is told.

mod artifacts;
mod definitions;
mod described;
mod events;
mod executor;
mod life;
mod live;
mod logs;
mod parked;
mod refusals;
mod retention;
mod stand;
mod submit;
mod tasks;
mod why;
