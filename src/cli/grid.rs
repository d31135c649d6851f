//! Columns of text that stand under each other, as wide as they have to be and no wider than the terminal.

use console::{Alignment, measure_text_width, pad_str, truncate_str};

/// Rows of cells. Cells may hold colour codes, but no other control characters.
#[derive(Debug, Default)]
pub struct Grid {
    rows: Vec<Row>,
    right: Vec<usize>,
}

#[derive(Debug)]
struct Row {
    cells: Vec<String>,
    /// Lines that belong to the row but to no column.
    under: Vec<String>,
}

/// What stands between two columns.
const GAP: usize = 2;
/// What a line under a row is indented by.
const INDENT: usize = 8;

impl Grid {
    /// Sets the columns that are aligned to the right.
    pub fn right(right: impl IntoIterator<Item = usize>) -> Grid {
        Grid { rows: Vec::new(), right: right.into_iter().collect() }
    }

    /// Adds a row.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(Row { cells: cells.into_iter().map(Into::into).collect(), under: Vec::new() });
    }

    /// Adds a line under the last row.
    pub fn under(&mut self, line: impl Into<String>) {
        if let Some(row) = self.rows.last_mut() {
            row.under.push(line.into());
        }
    }

    fn columns(&self) -> usize {
        self.rows.iter().map(|row| row.cells.len()).max().unwrap_or(0)
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.columns()];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(measure_text_width(cell));
            }
        }
        widths
    }

    /// Returns whether every column can have its width, or at least `least`, in a terminal `width` wide.
    pub fn fits(&self, width: usize, least: usize) -> bool {
        let needed: usize = self.widths().iter().map(|width| (*width).min(least) + GAP).sum();
        needed <= width + GAP
    }

    /// Draws the rows as lines, cutting cells where `width` asks for it.
    pub fn lines(&self, width: Option<usize>) -> Vec<String> {
        let mut widths = self.widths();
        if let Some(width) = width {
            shrink(&mut widths, width);
        }
        let mut lines = Vec::new();
        for row in &self.rows {
            let mut line = String::new();
            for (i, (cell, width)) in row.cells.iter().zip(&widths).enumerate() {
                let side = if self.right.contains(&i) { Alignment::Right } else { Alignment::Left };
                line.push_str(&pad_str(&truncate_str(cell, *width, "…"), *width, side, None));
                line.push_str(&" ".repeat(GAP));
            }
            lines.push(line.trim_end().to_owned());
            let most = width.map_or(usize::MAX, |width| width.saturating_sub(INDENT).max(8));
            lines.extend(
                row.under.iter().flat_map(|line| wrap(line, most)).map(|line| format!("{}{line}", " ".repeat(INDENT))),
            );
        }
        lines
    }
}

/// Breaks a line at spaces; what follows the first part is indented a little more.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut current = String::new();
    for word in line.split(' ') {
        if !current.trim().is_empty() && measure_text_width(&current) + 1 + measure_text_width(word) > width {
            lines.push(std::mem::replace(&mut current, "  ".to_owned()));
        } else if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    lines.push(current);
    lines.into_iter().map(|line| truncate_str(&line, width, "…").into_owned()).collect()
}

/// Takes width from the widest columns until all fit.
fn shrink(widths: &mut [usize], width: usize) {
    const LEAST: usize = 3;
    let gaps = GAP * widths.len().saturating_sub(1);
    let room = width.saturating_sub(gaps);
    while widths.iter().sum::<usize>() > room {
        let Some(widest) = widths.iter().copied().max().filter(|widest| *widest > LEAST) else { break };
        let too_much = widths.iter().sum::<usize>() - room;
        let next = widths.iter().copied().filter(|width| *width < widest).max().unwrap_or(LEAST).max(LEAST);
        let those = widths.iter().filter(|width| **width == widest).count();
        // All of the widest go down together, to the next or as far as is needed.
        let each = (widest - next).min(too_much.div_ceil(those)).max(1);
        widths.iter_mut().filter(|width| **width == widest).for_each(|width| *width -= each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(width: Option<usize>, expect: &[&str]) {
        let mut grid = Grid::right([0]);
        grid.row(["id", "name", "text"]);
        grid.row(["1", "Ann", "a long text that goes on"]);
        grid.under("a line under it, which is broken");
        grid.row(["100", "日本", "x"]);
        assert_eq!(grid.lines(width), expect);
    }

    #[test]
    fn cells_stand_under_each_other() {
        check(
            None,
            &[
                " id  name  text",
                "  1  Ann   a long text that goes on",
                "        a line under it, which is broken",
                "100  日本  x",
            ],
        );
    }

    #[test]
    fn the_widest_column_gives_way_first() {
        check(
            Some(22),
            &[
                " id  name  text",
                "  1  Ann   a long tex…",
                "        a line under",
                "          it, which is",
                "          broken",
                "100  日本  x",
            ],
        );
    }

    #[test]
    fn shrinking_ends() {
        let mut widths = [40, 3, 40, 1];
        shrink(&mut widths, 30);
        assert_eq!(widths, [10, 3, 10, 1]);
        let mut widths = [9; 9];
        shrink(&mut widths, 5);
        assert_eq!(widths, [3; 9]);
    }
}
