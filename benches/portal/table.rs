//! The figures of a scene, as Markdown: a row for each, a column for each program.

use super::program::Program;

/// A measured value.
pub(crate) struct Figure {
    name: String,
    /// What the value is to be, for example `≤ 5`; empty if it only explains the others.
    wanted: &'static str,
    value: String,
}

impl Figure {
    /// A value that is to be as `wanted` says.
    pub(crate) fn wanted(
        name: impl Into<String>,
        wanted: &'static str,
        value: impl ToString,
    ) -> Self {
        Self {
            name: name.into(),
            wanted,
            value: value.to_string(),
        }
    }

    /// A value that explains the others.
    pub(crate) fn of(name: impl Into<String>, value: impl ToString) -> Self {
        Self::wanted(name, "", value)
    }
}

/// The figures of all runs of a scene.
pub(crate) struct Table {
    programs: Vec<&'static str>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    wanted: &'static str,
    /// The values of each program, of its runs in order.
    values: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(programs: &[Program]) -> Self {
        Self {
            programs: programs.iter().map(|program| program.name).collect(),
            rows: Vec::new(),
        }
    }

    /// The figures of one run.
    pub(crate) fn add(&mut self, program: &Program, figures: Vec<Figure>) {
        let column = self.programs.iter().position(|name| *name == program.name);
        for figure in figures {
            let known = self.rows.iter().position(|row| row.name == figure.name);
            let at = known.unwrap_or_else(|| {
                self.rows.push(Row {
                    name: figure.name,
                    wanted: figure.wanted,
                    values: vec![Vec::new(); self.programs.len()],
                });
                self.rows.len() - 1
            });
            self.rows[at].values[column.unwrap()].push(figure.value);
        }
    }

    pub(crate) fn print(&self, title: &str) {
        println!("### {title}\n");
        println!("| | wanted | {} |", self.programs.join(" | "));
        println!("|---|---|{}", "---|".repeat(self.programs.len()));
        for row in &self.rows {
            let values: Vec<String> = row.values.iter().map(|runs| runs.join(", ")).collect();
            println!("| {} | {} | {} |", row.name, row.wanted, values.join(" | "));
        }
        println!();
    }
}
