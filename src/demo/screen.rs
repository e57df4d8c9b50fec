//! What the demo shows: a picture that is drawn over itself on a terminal, a line now and then elsewhere, and the whole at the end.

use std::io;
use std::time::{Duration, Instant};

use console::Term;

use super::picture::{View, WIDTH_MAX, picture, progress};

/// Between two pictures: often enough to live, seldom enough to read.
const FRAME: Duration = Duration::from_millis(400);
/// Between two lines where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// Where it is shown.
pub struct Screen {
    term: Term,
    is_terminal: bool,
    drawn: usize,
    next: Instant,
}

impl Screen {
    /// On standard output.
    #[must_use]
    pub fn new() -> Self {
        let term = Term::buffered_stdout();
        Self {
            is_terminal: term.is_term(),
            term,
            drawn: 0,
            next: Instant::now(),
        }
    }

    /// Whether pictures can be drawn there.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Says something that stays.
    ///
    /// # Errors
    /// Where nothing can be written.
    pub fn say(&self, text: &str) -> io::Result<()> {
        for line in text.lines() {
            self.term.write_line(line)?;
        }
        self.term.flush()
    }

    /// Shows how it stands, if it is time.
    ///
    /// # Errors
    /// Where nothing can be written.
    pub fn show(&mut self, view: &View<'_>) -> io::Result<()> {
        if Instant::now() < self.next {
            return Ok(());
        }
        if !self.is_terminal {
            self.next = Instant::now() + LINE;
            return self.say(&progress(view));
        }
        self.next = Instant::now() + FRAME;
        let (rows, columns) = self.term.size();
        let picture = picture(view, usize::from(columns), usize::from(rows));
        if self.drawn == 0 {
            self.term.hide_cursor()?;
        }
        self.draw(&picture)?;
        self.drawn = picture.len();
        self.term.flush()
    }

    fn draw(&self, picture: &[String]) -> io::Result<()> {
        self.term.move_cursor_up(self.drawn)?;
        for line in picture {
            self.term.clear_line()?;
            self.term.write_line(line)?;
        }
        self.term.clear_to_end_of_screen()
    }

    /// Shows the whole, to stay, and gives the terminal back.
    ///
    /// # Errors
    /// Where nothing can be written.
    pub fn end(&mut self, view: &View<'_>) -> io::Result<()> {
        let width = if self.is_terminal {
            usize::from(self.term.size().1)
        } else {
            WIDTH_MAX
        };
        let whole = picture(view, width, usize::MAX);
        if self.is_terminal {
            self.draw(&whole)?;
            self.term.show_cursor()?;
        } else {
            whole
                .iter()
                .try_for_each(|line| self.term.write_line(line))?;
        }
        self.drawn = 0;
        self.term.flush()
    }
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}
