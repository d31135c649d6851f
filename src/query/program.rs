//! The columns that the engine reads for a query: what it asks leave for, and what its program does.

use super::engine::{Engine, quoted};
use std::collections::HashMap;

impl Engine<'_> {
    /// Notes the columns that the engine's program for the query reads: it tells of all but those that `using` and `natural` compare.
    pub(super) fn note_program(&self) -> rusqlite::Result<()> {
        self.guard.seen(|seen| seen.on = false);
        let noted = self.columns_of_program();
        self.guard.seen(|seen| {
            seen.on = true;
            noted.map(|columns| seen.reads.extend(columns))
        })
    }

    fn columns_of_program(&self) -> rusqlite::Result<Vec<(String, String, String)>> {
        // Databases by number, and their tables by the page on which they begin.
        let mut schemas: Vec<(i64, String)> = Vec::new();
        self.connection.pragma_query(None, "database_list", |row| {
            schemas.push((row.get(0)?, row.get(1)?));
            Ok(())
        })?;
        let mut tables: HashMap<(i64, i64), usize> = HashMap::new();
        for (number, schema) in &schemas {
            let text = format!("select rootpage, name from {}.sqlite_schema", quoted(schema));
            let mut pages = self.connection.prepare(&text)?;
            let mut rows = pages.query([])?;
            while let Some(row) = rows.next()? {
                let name: String = row.get(1)?;
                if let Some(at) = self.query.tables.iter().position(|named| named.is(Some(schema), &name)) {
                    tables.insert((*number, row.get(0)?), at);
                }
            }
        }
        let mut program = self.connection.prepare(&format!("explain {}", self.query.text))?;
        let mut steps = program.query([])?;
        let (mut cursors, mut columns): (HashMap<i64, usize>, Vec<(i64, i64)>) = Default::default();
        while let Some(step) = steps.next()? {
            let opcode: String = step.get(1)?;
            let (p1, p2, p3): (i64, i64, i64) = (step.get(2)?, step.get(3)?, step.get(4)?);
            match opcode.as_str() {
                "OpenRead" => _ = tables.get(&(p3, p2)).map(|at| cursors.insert(p1, *at)),
                "Column" => columns.push((p1, p2)),
                _ => {}
            }
        }
        let name = |(cursor, column): (i64, i64)| {
            let at = *cursors.get(&cursor)?;
            let (named, field) = (&self.query.tables[at], self.tables[at].schema.0.get(usize::try_from(column).ok()?)?);
            let schema = named.schema.as_deref().unwrap_or("main");
            Some((schema.to_owned(), named.table.clone(), field.name.clone()))
        };
        Ok(columns.into_iter().filter_map(name).collect())
    }

    /// Returns the columns that the engine was seen to read.
    pub(super) fn reads(&self) -> Vec<Vec<usize>> {
        let of = |at: usize| {
            let named = &self.query.tables[at];
            let fields = self.tables[at].schema.0.iter().enumerate();
            let is_read = |name: &str| {
                self.guard.seen(|seen| {
                    let is = |(schema, table, column): &(String, String, String)| {
                        named.is(Some(schema), table) && column.eq_ignore_ascii_case(name)
                    };
                    seen.reads.iter().any(is)
                })
            };
            fields.filter(|(_, field)| is_read(&field.name)).map(|(place, _)| place).collect()
        };
        (0..self.tables.len()).map(of).collect()
    }
}
