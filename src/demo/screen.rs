//! Where the demo is shown: pictures on a terminal, with keys; a line now and then elsewhere; and the whole at the end.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::text::{Line, Text};

use super::picture::{View, WIDTH_MAX, picture, progress};

/// Between two pictures: often enough to live, seldom enough to read.
const FRAME: Duration = Duration::from_millis(250);
/// Between two lines where there is no terminal.
const LINE: Duration = Duration::from_secs(5);
/// What the keys do.
const KEYS: &str = "q quit   p hold or go on   Tab another story";

/// What somebody at the keyboard wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To end.
    Quit,
    /// To hold the picture, or let it go on.
    Hold,
    /// Somebody else's story.
    Another,
}

/// Where it is shown. Dropping it gives the terminal back; so does a panic, before it is reported.
pub struct Screen {
    is_terminal: bool,
    terminal: Option<DefaultTerminal>,
    next: Instant,
}

impl Screen {
    /// On standard output.
    #[must_use]
    pub fn new() -> Self {
        Self {
            is_terminal: io::stdout().is_terminal(),
            terminal: None,
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
        writeln!(io::stdout().lock(), "{}", text.trim_end_matches('\n'))
    }

    /// Shows how it stands, if it is time.
    ///
    /// # Errors
    /// Where nothing can be written.
    pub fn show(&mut self, view: &View<'_>, is_held: bool) -> io::Result<()> {
        if Instant::now() < self.next || is_held {
            return Ok(());
        }
        if !self.is_terminal {
            self.next = Instant::now() + LINE;
            return self.say(&progress(view));
        }
        self.next = Instant::now() + FRAME;
        let terminal = match &mut self.terminal {
            Some(terminal) => terminal,
            none => none.insert(ratatui::try_init()?),
        };
        terminal.draw(|frame| {
            let area = frame.area();
            let rows = usize::from(area.height).saturating_sub(1);
            let mut lines = picture(view, area.width.into(), rows);
            lines.resize(rows, Line::default());
            lines.push(Line::styled(KEYS, ratatui::style::Color::DarkGray));
            frame.render_widget(Text::from(lines), area);
        })?;
        Ok(())
    }

    /// What was typed since it was asked last.
    #[must_use]
    pub fn wishes(&self) -> Vec<Wish> {
        let mut wishes = Vec::new();
        // A keyboard that cannot be read has no wishes.
        while self.terminal.is_some() && event::poll(Duration::ZERO).unwrap_or(false) {
            match event::read() {
                Ok(Event::Key(key)) => wishes.extend(wish(key)),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        wishes
    }

    /// Gives the terminal back and shows the whole, to stay.
    ///
    /// # Errors
    /// Where nothing can be written.
    pub fn end(&mut self, view: &View<'_>) -> io::Result<()> {
        self.give_back();
        let columns = if self.is_terminal {
            ratatui::crossterm::terminal::size().map_or(WIDTH_MAX, |(columns, _)| columns.into())
        } else {
            WIDTH_MAX
        };
        let mut out = io::stdout().lock();
        for line in picture(view, columns, usize::MAX) {
            writeln!(out, "{}", line.to_string().trim_end())?;
        }
        Ok(())
    }

    fn give_back(&mut self) {
        if self.terminal.take().is_some() {
            ratatui::restore();
        }
    }
}

/// What a key stands for. On a terminal in raw mode Ctrl-C is one, too.
fn wish(key: KeyEvent) -> Option<Wish> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Wish::Quit),
        KeyCode::Char('q') | KeyCode::Esc => Some(Wish::Quit),
        KeyCode::Char('p' | ' ') => Some(Wish::Hold),
        KeyCode::Tab | KeyCode::Down | KeyCode::Right => Some(Wish::Another),
        _ => None,
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_for_wishes() {
        let plain = KeyModifiers::NONE;
        for (code, modifiers, expected) in [
            (KeyCode::Char('q'), plain, Some(Wish::Quit)),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, Some(Wish::Quit)),
            (KeyCode::Char('c'), plain, None),
            (KeyCode::Char('p'), plain, Some(Wish::Hold)),
            (KeyCode::Tab, plain, Some(Wish::Another)),
            (KeyCode::Enter, plain, None),
        ] {
            assert_eq!(wish(KeyEvent::new(code, modifiers)), expected, "{code:?}");
        }
    }
}
