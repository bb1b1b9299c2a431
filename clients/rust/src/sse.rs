//! Server-sent events: bytes in, frames out.
//!
//! Owns the text format of `text/event-stream`. Promises: the frames do not depend on how the bytes were cut (not even
//! inside a character or between CR and LF); comments are skipped; a frame that grows past [`MAX_FRAME`] is an error and
//! not an allocation. Never reconnects and never reads a number: that is [`crate::events`].

/// No frame holds more bytes than this.
pub const MAX_FRAME: usize = 256 << 20;

/// One event as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The `id` field of this frame (not of earlier ones).
    pub id: Option<String>,
    /// The `event` field.
    pub event: Option<String>,
    /// The `data` lines, joined by line feeds.
    pub data: String,
}

/// What a stream cannot be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line that is not UTF-8.
    #[error("a line is not UTF-8")]
    NotText,
    /// A frame without end.
    #[error("a frame is longer than {MAX_FRAME} bytes")]
    TooLong,
    /// Frames whose data is not what the API promises.
    #[error("a frame's data is no event: {0}")]
    NotAnEvent(#[source] serde_json::Error),
}

/// Collects bytes into frames.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    started: bool,
    frame: Frame,
    has_data: bool,
}

impl Parser {
    /// Takes the next bytes; whole frames are pushed to `frames` in order.
    pub fn push(&mut self, mut bytes: &[u8], frames: &mut Vec<Frame>) -> Result<(), Error> {
        while let Some(first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            match bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                Some(end) => {
                    self.line.extend_from_slice(&bytes[..end]);
                    self.after_cr = bytes[end] == b'\r';
                    bytes = &bytes[end + 1..];
                    self.end_line(frames)?;
                }
                None => {
                    self.line.extend_from_slice(bytes);
                    bytes = &[];
                }
            }
            if self.line.len() + self.frame.data.len() > MAX_FRAME {
                return Err(Error::TooLong);
            }
        }
        Ok(())
    }

    fn end_line(&mut self, frames: &mut Vec<Frame>) -> Result<(), Error> {
        let line = std::mem::take(&mut self.line);
        let mut line = std::str::from_utf8(&line).map_err(|_| Error::NotText)?;
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            // A frame without data is not dispatched (HTML standard, 9.2.6).
            if std::mem::take(&mut self.has_data) {
                frames.push(frame);
            }
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.frame.id = Some(value.to_owned()),
            "event" => self.frame.event = Some(value.to_owned()),
            // Comments (an empty field name), `retry` and fields of the future.
            _other => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\u{feff}: hello\n\nid: 1\nevent: step_ended\ndata: {\"a\":\ndata: \"ä→\"}\n\nid: 2\r\ndata:x\r\n\r\n\
                        retry: 5\rdata\r\rid: 3\n\ndata: last\n\n";

    fn whole(chunks: &[&[u8]]) -> Vec<Frame> {
        let (mut parser, mut frames) = (Parser::default(), Vec::new());
        for chunk in chunks {
            parser.push(chunk, &mut frames).unwrap();
        }
        frames
    }

    fn frame(id: Option<&str>, event: Option<&str>, data: &str) -> Frame {
        Frame { id: id.map(str::to_owned), event: event.map(str::to_owned), data: data.to_owned() }
    }

    #[test]
    fn all_line_ends_comments_and_joined_data_are_read() {
        let expected = vec![
            frame(Some("1"), Some("step_ended"), "{\"a\":\n\"ä→\"}"),
            frame(Some("2"), None, "x"),
            frame(None, None, ""),
            frame(None, None, "last"),
        ];
        assert_eq!(whole(&[TEXT.as_bytes()]), expected);
    }

    #[test]
    fn no_cut_of_the_bytes_changes_the_frames() {
        let expected = whole(&[TEXT.as_bytes()]);
        for first in 0..TEXT.len() {
            for second in [first, first + 1, (first + 2).min(TEXT.len())] {
                let second = second.min(TEXT.len());
                let bytes = TEXT.as_bytes();
                assert_eq!(whole(&[&bytes[..first], &bytes[first..second], &bytes[second..]]), expected);
            }
        }
        let bytes: Vec<&[u8]> = TEXT.as_bytes().chunks(1).collect();
        assert_eq!(whole(&bytes), expected);
    }

    #[test]
    fn a_frame_that_was_not_ended_is_not_given_out() {
        assert_eq!(whole(&[b"id: 7\ndata: half"]), vec![]);
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error() {
        let outcome = Parser::default().push(b"data: \xff\n\n", &mut Vec::new());
        assert!(matches!(outcome, Err(Error::NotText)));
    }
}
