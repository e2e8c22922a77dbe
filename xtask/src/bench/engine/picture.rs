//! The picture of the matrix: what a step costs, a bar for each peer, on a scale of powers of ten.

use std::fmt::Write as _;

use super::document::short;
use super::matrix::{Measured, Row};

/// What is drawn, each in a field of its own.
const DRAWN: [(Row, &str); 4] = [
    (Row::Chain, "A chain of no-op steps"),
    (Row::Fan, "Independent no-op steps"),
    (Row::Outputs, "Small steps with outputs"),
    (Row::Kept, "All steps kept"),
];

const WIDTH: f64 = 860.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 80.0;
const BAR: f64 = 16.0;
const LINE: f64 = 22.0;

/// Colours for both kinds of page; none alone says anything that text does not.
const STYLE: &str = "
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; font-size: 14px; }
  .quiet { fill: #57606a; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .ours { fill: #0f6b5c; }
  .other { fill: #8c959f; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .ours { fill: #3fb9a2; }
    .other { fill: #656c76; }
  }
";

/// The picture as SVG. Peers without a figure are left out of a field.
pub fn draw(all: &[Measured]) -> String {
    let mut fields = String::new();
    let mut top = 34.0;
    for (row, title) in DRAWN {
        let mut bars: Vec<(&str, f64)> = all
            .iter()
            .filter_map(|measured| Some((measured.about.name, measured.cells.get(&row)?.as_ref().ok()?.value)))
            .filter(|(_, value)| value.is_finite() && *value > 0.0)
            .collect();
        if bars.is_empty() {
            continue;
        }
        bars.sort_by(|left, right| left.1.total_cmp(&right.1));
        let _ = writeln!(fields, "  <text class=\"title\" x=\"16\" y=\"{top:.0}\">{title}</text>");
        top += 14.0;
        top = field(&mut fields, &bars, top) + 40.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {top:.0}\" role=\"img\" aria-label=\"What a step costs, in milliseconds, by peer\">\n\
         <style>{STYLE}</style>\n{fields}  <text class=\"quiet\" x=\"16\" y=\"{:.0}\">Milliseconds a step; each line across is ten times the one before. Shorter is faster. The server's facts are durable.</text>\n</svg>\n",
        top - 14.0
    )
}

/// Bars from the fastest to the slowest; returns where they end.
fn field(text: &mut String, bars: &[(&str, f64)], top: f64) -> f64 {
    let values = bars.iter().map(|(_, value)| value.log10());
    let low = values.clone().fold(f64::MAX, f64::min).floor();
    let high = values.fold(f64::MIN, f64::max).ceil().max(low + 1.0);
    let at = |value: f64| LEFT + (value.log10() - low) / (high - low) * (WIDTH - LEFT - RIGHT);
    let bottom = top + bars.len() as f64 * LINE;
    let mut power = low;
    while power <= high {
        let (value, x) = (10f64.powf(power), at(10f64.powf(power)));
        let _ = writeln!(
            text,
            "  <line class=\"grid\" x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>"
        );
        let label = if value >= 1.0 {
            format!("{value:.0}")
        } else {
            format!("{value}")
        };
        let _ = writeln!(
            text,
            "  <text class=\"quiet\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            bottom + 14.0
        );
        power += 1.0;
    }
    for (place, (name, value)) in bars.iter().enumerate() {
        let y = top + place as f64 * LINE + (LINE - BAR) / 2.0;
        let class = if name.starts_with("Throughline") {
            "ours"
        } else {
            "other"
        };
        let (x, base) = (at(*value).max(LEFT + 2.0), y + BAR - 3.5);
        let _ = writeln!(
            text,
            "  <text x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{name}</text>",
            LEFT - 8.0
        );
        let _ = writeln!(
            text,
            "  <rect class=\"{class}\" x=\"{LEFT:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR:.1}\" rx=\"2\"/>",
            x - LEFT
        );
        let _ = writeln!(
            text,
            "  <text x=\"{:.1}\" y=\"{base:.1}\">{}</text>",
            x + 6.0,
            short(*value)
        );
    }
    bottom
}

#[cfg(test)]
mod tests {
    use super::super::matrix::{About, Figure};
    use super::*;

    #[test]
    fn each_figure_is_a_bar_with_its_name_and_number_and_ten_times_as_much_is_as_long_a_way_everywhere() {
        let measured = |name: &'static str, value: f64| Measured {
            about: About {
                name,
                settings: "",
                durable: "",
            },
            version: Ok(String::new()),
            cells: [
                (
                    Row::Chain,
                    Ok(Figure {
                        value,
                        steps: 1,
                        rounds: 1,
                    }),
                ),
                (Row::Fan, Err("none".to_owned())),
            ]
            .into(),
        };
        let all = [
            measured("slow", 100.0),
            measured("Throughline, server", 1.0),
            measured("middle", 10.0),
        ];
        let drawn = draw(&all);
        assert_eq!(drawn.matches("<rect").count(), 3);
        assert_eq!(drawn.matches("class=\"ours\"").count(), 1);
        assert!(!drawn.contains("Independent"), "a field without figures is left out");
        let widths: Vec<f64> = drawn
            .split("<rect")
            .skip(1)
            .filter_map(|bar| bar.split("width=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        assert!((widths[1] - widths[2] / 2.0).abs() < 0.2, "{widths:?}");
    }
}
