//! `throughline settings`.

use serde::Serialize;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::{Layers, TABLE};
use crate::show::paint::{Table, Tone};

/// All settings.
#[derive(Debug, Serialize)]
struct Settings {
    schema: &'static str,
    file: String,
    settings: Vec<Line>,
}

/// A setting with its value.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    /// `None` where the default holds.
    value: Option<String>,
    source: Option<String>,
    default: &'static str,
}

/// Shows every setting, its value, and where that came from.
pub(super) fn settings(layers: &Layers, json: bool, printer: &mut Printer) -> Result<(), Failure> {
    let values = layers.values()?;
    let lines = TABLE.iter().zip(values).map(|(setting, found)| {
        let (value, source) = found.unzip();
        Line {
            name: setting.name.replace('_', "-"),
            value,
            source,
            default: setting.default,
        }
    });
    let document = Settings {
        schema: "settings/1",
        file: layers.path.display().to_string(),
        settings: lines.collect(),
    };
    if json {
        return printer.document(&document);
    }
    let mut table = Table::new(&["SETTING", "VALUE", "FROM"]).flexible(1);
    for line in document.settings {
        let default = (Tone::Quiet, line.default.replace('`', ""));
        let value = line.value.map_or(default, |value| (Tone::Strong, value));
        table.row([
            (Tone::Plain, line.name),
            value,
            (Tone::Quiet, line.source.unwrap_or_else(|| "default".to_owned())),
        ]);
    }
    let shown = table.render(printer.sight.width);
    printer.data(&shown)?;
    printer.say(&format!("the settings file is {}", document.file));
    Ok(())
}
