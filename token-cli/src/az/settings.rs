//! What Azure CLI's users have configured for it: `AZURE_…`, and under its name its own config file, which is only
//! read.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::args::Format;
use crate::config::Environment;
use crate::paths::Paths;
use crate::program;
use crate::report::Failure;

/// The settings that the commands here heed.
#[derive(Debug, Default)]
pub(crate) struct AzSettings {
    /// `[core] output`: the format where none is asked for.
    pub(crate) output: Option<Format>,
    /// `[core] only_show_errors`
    pub(crate) only_show_errors: bool,
    /// `[core] no_color`
    pub(crate) no_color: bool,
    /// `[core] login_experience_v2`: whether a sign-in on a terminal asks for the subscription.
    pub(crate) asks_for_subscription: bool,
    /// `[cloud] name`, from the file alone: what the environment says is the config's to weigh.
    pub(crate) cloud: Option<String>,
}

impl AzSettings {
    /// Reads the environment, and the file where we stand in for Azure CLI.
    pub(crate) fn load(environment: &Environment<'_>) -> Result<Self, Failure> {
        let file = if program::is_az() { File::load(environment) } else { File::default() };
        let setting = |option: &str| Setting::of(environment, &file, "core", option);
        let truth = |option: &str| setting(option).map_or(Ok(false), Setting::truth);
        Ok(Self {
            output: setting("output").map(|setting| setting.format()).transpose()?,
            only_show_errors: truth("only_show_errors")?,
            no_color: truth("no_color")?,
            asks_for_subscription: setting("login_experience_v2").is_none_or(|set| !set.is_off()),
            cloud: file.get("cloud", "name").map(str::to_owned),
        })
    }
}

/// Where Azure CLI keeps its files.
pub(crate) fn directory(environment: &Environment<'_>) -> Option<PathBuf> {
    environment
        .path("AZURE_CONFIG_DIR")
        .or_else(|| Paths::home(environment).ok().map(|home| home.join(".azure")))
}

/// A value, and where it was found.
struct Setting {
    value: String,
    place: String,
}

impl Setting {
    /// The environment comes before the file, and what is empty is not given.
    fn of(environment: &Environment<'_>, file: &File, section: &str, option: &str) -> Option<Self> {
        let variable = format!("AZURE_{}_{}", section.to_uppercase(), option.to_uppercase());
        if let Some(value) = environment.text(&variable) {
            return Some(Self { value, place: variable });
        }
        let value = file.get(section, option)?.to_owned();
        Some(Self { value, place: format!("{option} in the section {section} of {}", file.path.display()) })
    }

    fn truth(self) -> Result<bool, Failure> {
        match self.value.to_ascii_lowercase().as_str() {
            "1" | "yes" | "true" | "on" => Ok(true),
            "0" | "no" | "false" | "off" => Ok(false),
            _ => {
                Err(Failure::new(format!("Not a boolean: {}", self.value))
                    .hint(format!("it is {}", self.place)))
            }
        }
    }

    fn is_off(&self) -> bool {
        matches!(self.value.to_ascii_lowercase().as_str(), "0" | "no" | "false" | "off")
    }

    fn format(self) -> Result<Format, Failure> {
        Format::from_str(&self.value, true).map_err(|_| {
            let known = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let names: Vec<String> = known.map(|known| known.get_name().to_owned()).collect();
            Failure::new(format!("'{}' is no output format", self.value)).hint(format!(
                "it is {}; formats are {}",
                self.place,
                names.join(", ")
            ))
        })
    }
}

/// Azure CLI's config file, in the form of Python's configparser.
#[derive(Debug, Default)]
struct File {
    path: PathBuf,
    /// Section, option, value; the last one counts.
    entries: Vec<(String, String, String)>,
}

impl File {
    /// A file that is not there or cannot be read sets nothing: az would write a new one.
    fn load(environment: &Environment<'_>) -> Self {
        let Some(path) = directory(environment).map(|directory| directory.join("config")) else {
            return Self::default();
        };
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        Self { path, entries: Self::read(&text) }
    }

    fn read(text: &str) -> Vec<(String, String, String)> {
        let (mut section, mut entries) = (String::new(), Vec::new());
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if !line.starts_with(['#', ';'])
                && let Some((option, value)) = line.split_once(['=', ':'])
            {
                let (option, value) = (option.trim().to_lowercase(), value.trim().to_owned());
                entries.push((section.clone(), option, value));
            }
        }
        entries
    }

    fn get(&self, section: &str, option: &str) -> Option<&str> {
        let found = self.entries.iter().rev().find(|(within, name, _)| within == section && name == option);
        found.map(|(_, _, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_pythons() {
        let text = "# a comment\n[cloud]\nname = AzureUSGovernment\n\n[core]\nOutput: TABLE\n; output = json\nno_color =\n";
        let file = File { path: PathBuf::new(), entries: File::read(text) };
        assert_eq!(file.get("cloud", "name"), Some("AzureUSGovernment"));
        assert_eq!(file.get("core", "output"), Some("TABLE"));
        assert_eq!(file.get("core", "no_color"), None);
        assert_eq!(file.get("core", "name"), None);
    }
}
