//! `Gemfile` and `*.gemspec`: programs, of which the plain statements are read.

use super::{Dependency, Ecosystem, Manifest};
use crate::formats::Broken;
use crate::formats::groovy::texts;
use crate::reading::lines;

fn gem(line: &str, number: u32) -> Option<Dependency> {
    let values = texts(line);
    let name = values.first()?;
    let requirement = values
        .get(1)
        .copied()
        .filter(|value| value.starts_with(|letter: char| letter.is_ascii_digit() || "~<>=!".contains(letter)))
        .unwrap_or_default();
    let bare = requirement.trim_start_matches("= ").trim_start_matches('=');
    Some(Dependency {
        name: (*name).to_owned(),
        exact: bare.starts_with(|letter: char| letter.is_ascii_digit()) && bare.split('.').count() >= 3,
        local: line.contains("path:") || line.contains(":path"),
        requirement: requirement.to_owned(),
        line: Some(number),
    })
}

/// A line without its comment; a `#` in quotes begins none.
fn code(line: &str) -> &str {
    let mut quote = None;
    for (at, letter) in line.char_indices() {
        match (quote, letter) {
            (None, '#') => return line[..at].trim(),
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if letter == open => quote = None,
            _ => {}
        }
    }
    line.trim()
}

pub(super) fn read_gemfile(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let mut manifest = Manifest::of(path, Ecosystem::Ruby, "bundler");
    for (number, line) in lines(text) {
        let line = code(line);
        if line.starts_with("gem ") || line.starts_with("gem(") {
            manifest.dependencies.extend(gem(line, number));
        }
    }
    Ok(Some(manifest))
}

pub(super) fn read_gemspec(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let mut manifest = Manifest::of(path, Ecosystem::Ruby, "rubygems");
    for (number, line) in lines(text) {
        let line = code(line);
        if line.contains("_dependency") {
            manifest.dependencies.extend(gem(line, number));
        } else if let Some((left, right)) = line.split_once('=') {
            let value = texts(right).first().map(|value| (*value).to_owned());
            if left.trim_end().ends_with(".name") {
                manifest.name = manifest.name.take().or(value);
            } else if left.trim_end().ends_with(".version") {
                manifest.version = manifest.version.take().or(value);
            }
        }
    }
    manifest.publishable = true;
    Ok(Some(manifest))
}

#[cfg(test)]
mod tests {
    use crate::manifests::read_for_test;

    #[test]
    fn gems_are_read_and_comments_are_not() {
        let all = read_for_test(&[
            (
                "Gemfile",
                "source 'https://rubygems.org'\ngem 'rails', '~> 7.0' # why\n# gem 'old'\ngroup :test do\n  gem \"rspec-rails\", \"6.1.0\"\nend\n",
            ),
            (
                "shop.gemspec",
                "Gem::Specification.new do |s|\n  s.name = \"shop\"\n  s.version = Shop::VERSION\n  s.add_dependency \"rack\", \">= 2\"\nend\n",
            ),
        ]);
        let gemfile = all.iter().find(|manifest| manifest.path == "Gemfile").unwrap();
        assert_eq!(gemfile.dependencies.len(), 2);
        assert!(!gemfile.dependencies[0].exact && gemfile.dependencies[1].exact);
        let gemspec = all.iter().find(|manifest| manifest.path == "shop.gemspec").unwrap();
        assert_eq!(gemspec.name.as_deref(), Some("shop"));
        assert!(gemspec.dependency("rack").is_some());
    }
}
