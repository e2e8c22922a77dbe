//! Settings, from variables.

/// What the service is told when it starts.
#[derive(Debug)]
pub struct Settings {
    /// The port to listen on; 0 asks for a free one.
    pub port: u16,
    /// The file of the database.
    pub database: String,
    /// What a visitor reads first.
    pub greeting: String,
    /// How many entries a page shows.
    pub page_size: u32,
}

impl Settings {
    /// Reads the settings; `variable` gives the value of a variable.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str, otherwise: u32| match variable(name) {
            None => Ok(otherwise),
            Some(text) => text
                .parse()
                .map_err(|_| format!("{name} must be a number and is `{text}`")),
        };
        Ok(Self {
            port: u16::try_from(number("PORT", 0)?).map_err(|_| "PORT must be at most 65535".to_owned())?,
            database: variable("DATABASE_URL")
                .map(|url| url.trim_start_matches("sqlite:").to_owned())
                .ok_or("DATABASE_URL must name the database")?,
            greeting: variable("GREETING").unwrap_or_else(|| "Welcome".to_owned()),
            page_size: number("PAGE_SIZE", 20)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_is_refused() {
        let variable = |name: &str| match name {
            "DATABASE_URL" => Some("sqlite:x.db".to_owned()),
            "PAGE_SIZE" => Some("many".to_owned()),
            _ => None,
        };
        assert!(Settings::from_variables(variable).unwrap_err().contains("PAGE_SIZE"));
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let settings = Settings::from_variables(|name| (name == "DATABASE_URL").then(|| "x.db".to_owned())).unwrap();
        assert_eq!((settings.page_size, settings.greeting.as_str()), (20, "Welcome"));
    }
}
