//! Bars as SVG, readable on light and dark pages: a picture paints its own ground.

use std::fmt::Write;

use super::figures::Spread;

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 20.0;
/// Where bars begin and end.
const BARS: (f64, f64) = (210.0, 450.0);
const BAR: f64 = 16.0;
const LINE: f64 = 24.0;

const STYLE: &str = "text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}\
.title{font-size:16px;font-weight:600}.small{font-size:11.5px;fill:#59636e}.group{font-weight:600}\
.ground{fill:#fff;stroke:#d1d9e0}.first{fill:#54aeff}.second{fill:#0a5cbf}.own .first{fill:#4ac26b}\
.own .second{fill:#1a7f37}.wrong .first{fill:#f0883e}.spread{stroke:#1f2328;stroke-width:1.5}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.small{fill:#9198a1}.ground{fill:#0d1117;stroke:#3d444d}\
.first{fill:#79c0ff}.second{fill:#1f6feb}.own .first{fill:#7ee787}.own .second{fill:#238636}.spread{stroke:#f0f6fc}}";

/// Groups of bars, each group with a scale of its own.
pub(crate) struct Picture {
    pub(crate) title: String,
    explanation: String,
    groups: Vec<(String, Vec<Bar>)>,
}

/// One bar, of parts that lie end to end.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) parts: Vec<f64>,
    /// The sum, over all rounds.
    pub(crate) spread: Spread,
    /// What stands behind it.
    pub(crate) label: String,
    /// Whether it shows something that must not be.
    pub(crate) is_wrong: bool,
}

impl Picture {
    pub(crate) fn new(title: &str, explanation: &str) -> Self {
        Self {
            title: title.to_owned(),
            explanation: explanation.to_owned(),
            groups: Vec::new(),
        }
    }

    pub(crate) fn group(&mut self, name: String, bars: Vec<Bar>) {
        self.groups.push((name, bars));
    }

    pub(crate) fn svg(&self) -> String {
        let mut body = String::new();
        let mut y = 62.0;
        for (name, bars) in &self.groups {
            y += LINE;
            let name = escaped(name);
            writeln!(
                body,
                "<text class=\"group\" x=\"{MARGIN}\" y=\"{y}\">{name}</text>"
            )
            .unwrap();
            let most = bars.iter().map(|bar| bar.spread.highest);
            let scale = (BARS.1 - BARS.0) / most.fold(f64::MIN_POSITIVE, f64::max);
            y += 10.0;
            for bar in bars {
                bar.draw(&mut body, y, scale);
                y += LINE;
            }
        }
        let height = y + MARGIN / 2.0;
        let (title, explanation) = (escaped(&self.title), escaped(&self.explanation));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" role=\"img\" aria-labelledby=\"title desc\">\n\
             <title id=\"title\">{title}</title>\n<desc id=\"desc\">{}</desc>\n<style>{STYLE}</style>\n\
             <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n\
             <text class=\"title\" x=\"{MARGIN}\" y=\"34\">{title}</text>\n\
             <text class=\"small\" x=\"{MARGIN}\" y=\"56\">{explanation}</text>\n{body}</svg>\n",
            self.description(),
            WIDTH - 1.0,
            height - 1.0,
        )
    }

    /// All values, for those who do not see the bars.
    fn description(&self) -> String {
        let groups = self.groups.iter().map(|(name, bars)| {
            let bars = bars.iter().map(|bar| format!("{} {}", bar.name, bar.label));
            let bars: Vec<String> = bars.collect();
            format!("{name}: {}.", bars.join("; "))
        });
        let groups: Vec<String> = groups.collect();
        escaped(&format!("{}. {}", self.explanation, groups.join(" ")))
    }
}

impl Bar {
    fn draw(&self, body: &mut String, y: f64, scale: f64) {
        let class = if self.is_wrong {
            "wrong"
        } else if self.name.starts_with("openlines") {
            "own"
        } else {
            "other"
        };
        let text = y + 12.5;
        let middle = y + BAR / 2.0;
        let name = escaped(&self.name);
        writeln!(
            body,
            "<g class=\"{class}\"><text x=\"{MARGIN}\" y=\"{text}\">{name}</text>"
        )
        .unwrap();
        let mut x = BARS.0;
        for (part, class) in self.parts.iter().zip(["first", "second"]) {
            let width = part * scale;
            writeln!(
                body,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\"/>"
            )
            .unwrap();
            x += width;
        }
        let [from, to] = [self.spread.lowest, self.spread.highest].map(|end| BARS.0 + end * scale);
        writeln!(
            body,
            "<line class=\"spread\" x1=\"{from:.1}\" y1=\"{middle}\" x2=\"{to:.1}\" y2=\"{middle}\"/>\
             <text x=\"{:.1}\" y=\"{text}\">{}</text></g>",
            x.max(to) + 8.0,
            escaped(&self.label)
        )
        .unwrap();
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
