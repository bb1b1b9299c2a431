//! Order out of edges.
//!
//! Owns the one sort of this room. Promises that what may stand first by its number does, so that the same edges give
//! the same order and what is in order stays as it is; and that a cycle is given out as one. Takes a time linear in the
//! edges, but for the heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The numbers from 0 to `count` such that each stands behind those that an edge leads from, or a shortest piece that
/// leads back to its beginning.
pub(super) fn sorted(count: usize, edges: &[(usize, usize)]) -> Result<Vec<usize>, Vec<usize>> {
    let mut waits = vec![0_usize; count];
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
    for &(from, to) in edges {
        waits[to] += 1;
        next[from].push(to);
    }
    let mut free: BinaryHeap<_> = (0..count).filter(|&one| waits[one] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse(one)) = free.pop() {
        order.push(one);
        for &other in &next[one] {
            waits[other] -= 1;
            if waits[other] == 0 {
                free.push(Reverse(other));
            }
        }
    }
    if order.len() == count { Ok(order) } else { Err(cycle(&waits, edges)) }
}

/// Whoever still waits waits for somebody who does: going back often enough one meets somebody again.
fn cycle(waits: &[usize], edges: &[(usize, usize)]) -> Vec<usize> {
    let mut before: Vec<Option<usize>> = vec![None; waits.len()];
    for &(from, to) in edges.iter().filter(|(from, to)| waits[*from] > 0 && waits[*to] > 0) {
        before[to].get_or_insert(from);
    }
    let mut seen = vec![false; waits.len()];
    let mut walk: Vec<usize> = Vec::new();
    let mut at = waits.iter().position(|&count| count > 0);
    while let Some(one) = at.filter(|&one| !seen[one]) {
        seen[one] = true;
        walk.push(one);
        at = before[one];
    }
    let begin = walk.iter().position(|&one| Some(one) == at).unwrap_or_default();
    let mut cycle = walk.split_off(begin);
    cycle.reverse();
    // The smallest first, whoever was met first.
    let least = cycle.iter().enumerate().min_by_key(|(_, one)| **one).map_or(0, |(index, _)| index);
    cycle.rotate_left(least);
    cycle
}
