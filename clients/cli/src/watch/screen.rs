//! A part of the terminal that is drawn again and again.
//!
//! Owns the lines below the cursor. Promises: one write per picture (no flicker); what stood above is never touched;
//! the last picture stays. Never decides what is drawn.

use std::io::Write as _;

use console::Term;

use crate::error::Error;
use crate::watch::frame::{Canvas, Paint};

/// The live part of a terminal.
#[derive(Debug)]
pub(crate) struct Screen {
    term: Term,
    drawn: usize,
}

impl Screen {
    /// The terminal behind stdout, where there is one that can move its cursor.
    pub(crate) fn open() -> Option<Self> {
        let term = Term::stdout();
        let moves = term.is_term() && std::env::var_os("TERM").is_some_and(|kind| kind != "dumb");
        moves.then_some(Screen { term, drawn: 0 })
    }

    /// Its size and colours now.
    pub(crate) fn canvas(&self) -> Canvas {
        let (height, width) = self.term.size();
        let paint = if console::colors_enabled() { Paint::Colour } else { Paint::Plain };
        Canvas { width: usize::from(width).max(20), height: usize::from(height).max(8), paint }
    }

    /// Replaces the last picture.
    pub(crate) fn draw(&mut self, lines: &[String]) -> Result<(), Error> {
        let mut picture = String::new();
        if self.drawn > 0 {
            picture.push_str(&format!("\x1b[{}A", self.drawn));
        }
        for line in lines {
            picture.push_str(&format!("\r{line}\x1b[K\n"));
        }
        picture.push_str("\x1b[J");
        self.drawn = lines.len();
        let mut out = std::io::stdout().lock();
        out.write_all(picture.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
    }
}
