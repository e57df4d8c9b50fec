//! Messages from templates: one file a template, in the language of Jinja, with a block for each part.
//!
//! `subject`, `text` and `html` are blocks; what is filled into `html` is escaped, what is filled into the others is not. A name that
//! is not there is an error and not an empty place; in a condition it counts as false. Files are read anew where they changed.

use std::path::{Path, PathBuf};

use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use super::command::Command;

/// The end of a template's file.
const ENDING: &str = "jinja";
/// What a template may take: a page of a thousand products.
const BYTES: usize = 4 * 1024 * 1024;

/// A message, part by part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// One line.
    pub subject: Option<String>,
    /// For those who read text.
    pub text: Option<String>,
    /// For those who see pages.
    pub html: Option<String>,
}

/// A folder of templates.
#[derive(Clone, Debug)]
pub struct Templates {
    folder: PathBuf,
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Nobody has written it.
    #[error(
        "there is no template `{name}`: expected `{}` or `{}`, in `{}`",
        file(Some(channel), name), file(None, name), folder.display()
    )]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The channel.
        channel: String,
        /// The template.
        name: String,
    },
    /// It cannot be filled.
    #[error("{0}")]
    Fill(String),
    /// It makes no message.
    #[error(
        "template `{0}` has no block `text` or `html`; a part of a message is written `{{% block text %}}...{{% endblock %}}`"
    )]
    Empty(String),
}

fn file(channel: Option<&str>, name: &str) -> String {
    match channel {
        Some(channel) => format!("{channel}/{name}.{ENDING}"),
        None => format!("{name}.{ENDING}"),
    }
}

impl Templates {
    /// Those in a folder, which is read when they are filled.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The message of a command, by its template; none where there is no such template.
    ///
    /// # Errors
    /// Where the template cannot be read or filled.
    pub fn find(&self, command: &Command) -> Result<Option<Message>, TemplateError> {
        match self.fill(command) {
            Err(TemplateError::Missing { .. }) => Ok(None),
            filled => filled.map(Some),
        }
    }

    /// The message of a command, by its template.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read or filled.
    pub fn fill(&self, command: &Command) -> Result<Message, TemplateError> {
        let (channel, name) = (&command.channel, &command.template);
        let found = [Some(channel.as_str()), None]
            .map(|channel| file(channel, name))
            .into_iter()
            .find(|file| {
                let path = minijinja_path(&self.folder, file);
                path.is_some_and(|path| path.is_file())
            });
        let Some(file) = found else {
            return Err(TemplateError::Missing {
                folder: self.folder.clone(),
                channel: channel.clone(),
                name: name.clone(),
            });
        };
        let part = |block: &str, escape: AutoEscape| self.part(&file, block, escape, command);
        let subject = part("subject", AutoEscape::None)?;
        let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let message = Message {
            subject: subject.map(one_line),
            text: part("text", AutoEscape::None)?,
            html: part("html", AutoEscape::Html)?,
        };
        match (&message.text, &message.html) {
            (None, None) => Err(TemplateError::Empty(file)),
            _ => Ok(message),
        }
    }

    fn part(
        &self,
        file: &str,
        block: &str,
        escape: AutoEscape,
        command: &Command,
    ) -> Result<Option<String>, TemplateError> {
        let mut environment = Environment::new();
        environment.set_loader(minijinja::path_loader(&self.folder));
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_auto_escape_callback(move |_| escape);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        let failed = |error: minijinja::Error| {
            let at = error
                .line()
                .map_or(String::new(), |line| format!(":{line}"));
            let name = error.name().unwrap_or(file).to_owned();
            TemplateError::Fill(format!("{name}{at}: {error}"))
        };
        let template = environment.get_template(file).map_err(failed)?;
        let mut captured = template.render_captured(&command.whole).map_err(failed)?;
        match captured.with_state_mut(|state| state.render_block(block)) {
            Ok(text) if text.len() > BYTES => Err(TemplateError::Fill(format!(
                "{file}: block `{block}` comes to {} bytes; expected at most {BYTES}",
                text.len()
            ))),
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == minijinja::ErrorKind::UnknownBlock => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// A file below the folder; none where its name leads elsewhere.
fn minijinja_path(folder: &Path, file: &str) -> Option<PathBuf> {
    let is_below = |segment: &str| !segment.starts_with('.') && !segment.contains('\\');
    file.split('/').all(is_below).then(|| folder.join(file))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::command::tests::command;
    use super::*;

    const LAYOUT: &str = "{% block html %}<body>{% block inner %}{% endblock %}</body>{% endblock %}\n{% block text %}{% endblock %}";
    const REMINDER: &str = "{% extends 'layout.jinja' %}\n{% block subject %}Still\n yours: {{ data.products[0] }}{% endblock %}\n\
        {% block text %}Dear {{ customer }}, {{ data.products | join(', ') }}{% if data.missing %}!{% endif %}{% endblock %}\n\
        {% block inner %}<b>{{ data.products[0] }}</b>{% endblock %}\n";

    #[test]
    fn parts_are_blocks_and_html_is_escaped() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("layout.jinja"), LAYOUT).unwrap();
        fs::write(folder.path().join("reminder.jinja"), REMINDER).unwrap();
        let templates = Templates::new(folder.path());
        let mut command = command(1);
        command.whole["data"]["products"][0] = "<teapot> & cup".into();
        let filled = templates.fill(&command).unwrap();
        assert_eq!(
            filled.subject.as_deref(),
            Some("Still yours: <teapot> & cup")
        );
        assert_eq!(filled.text.as_deref(), Some("Dear ana, <teapot> & cup"));
        let html = "<body><b>&lt;teapot&gt; &amp; cup</b></body>";
        assert_eq!(filled.html.as_deref(), Some(html));

        // The channel's own goes before, and is read though it came later.
        fs::create_dir(folder.path().join("email")).unwrap();
        let own = "{% block text %}Short{% endblock %}";
        fs::write(folder.path().join("email/reminder.jinja"), own).unwrap();
        let filled = templates.fill(&command).unwrap();
        assert_eq!(
            (filled.subject, filled.text.as_deref()),
            (None, Some("Short"))
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let templates = Templates::new(folder.path());
        let said = |template: &str, text: Option<&str>| {
            let mut command = command(1);
            command.template = template.to_owned();
            if let Some(text) = text {
                fs::write(folder.path().join(format!("{template}.jinja")), text).unwrap();
            }
            templates.fill(&command).unwrap_err().to_string()
        };
        let missing = said("nowhere", None);
        assert!(
            missing.contains("`email/nowhere.jinja` or `nowhere.jinja`"),
            "{missing}"
        );
        for path in ["../secret", "a/../../secret", ".hidden"] {
            assert!(said(path, None).contains("there is no template"), "{path}");
        }
        let misspelt = said(
            "misspelt",
            Some("\n{% block text %}{{ data.prodcts }}{% endblock %}"),
        );
        assert!(misspelt.starts_with("misspelt.jinja:2: "), "{misspelt}");
        let broken = said("broken", Some("{% block text %}{{ }}{% endblock %}"));
        assert!(broken.starts_with("broken.jinja:1: "), "{broken}");
        assert!(said("empty", Some("hello")).contains("no block `text` or `html`"));
    }
}
