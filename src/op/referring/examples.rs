//! Rows of another table that a prompt shows as examples.

use super::lists::lists;
use super::vectors::{Vectors, nearest};
use crate::hash::{KeyWriter, mix64};
use crate::op::draw::Draw;
use crate::op::identity::identities;
use crate::op::{Other, ReferOp, columns};
use crate::table::{Batch, Field, RowError, Type};
use arrow_array::ArrayRef;

/// Which rows are examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The first, the same for every row.
    First,
    /// Others for each row: those that draw the smallest numbers by the row's identity, the values of the columns `by`, and their own,
    /// the values of `their`. So a row that comes or goes in either table changes no draw of another.
    Random { by: Vec<String>, their: Vec<String>, seed: i64 },
    /// Those whose vectors in `their` have the largest cosine with the row's in `by`.
    Similar { by: String, their: String },
}

/// The columns that tell whether a row of the other table is the row itself: then it is no example for it. Empty: it cannot be told.
pub type Same = Vec<String>;

/// One column: a list of rows of another table, `k` or as many as there are.
///
/// Its key: `k`, the choice with its seed, which columns are read for what, and the names of the columns that are shown.
pub struct Examples {
    k: u32,
    choice: Choice,
    same: Same,
    reads: Vec<String>,
    refers: Vec<String>,
    shown: Vec<Field>,
    writes: [Field; 1],
}

impl Examples {
    /// Chooses `k` rows, of which the columns `shown` are kept as `into`. `same` are columns that both tables have.
    pub fn new(choice: Choice, k: u32, same: Same, shown: Vec<Field>, into: &str) -> Examples {
        let (mut reads, mut refers) = match &choice {
            Choice::First => (Vec::new(), Vec::new()),
            Choice::Random { by, their, .. } => (by.clone(), their.clone()),
            Choice::Similar { by, their } => (vec![by.clone()], vec![their.clone()]),
        };
        let same = if choice == Choice::First { Vec::new() } else { same };
        let add = |to: &mut Vec<String>, name: &String| {
            if !to.contains(name) {
                to.push(name.clone());
            }
        };
        same.iter().for_each(|name| add(&mut reads, name));
        same.iter().chain(shown.iter().map(|field| &field.name)).for_each(|name| add(&mut refers, name));
        let writes = [Field::new(into, Type::List(Box::new(Type::Struct(shown.clone()))))];
        Examples { k, choice, same, reads, refers, shown, writes }
    }

    /// Returns the positions of the examples of each row.
    fn choose(&self, input: &Batch, other: &Batch) -> Result<Vec<Vec<u32>>, RowError> {
        let k = self.k as usize;
        let (own, theirs): (Vec<i64>, Vec<i64>) = match self.same.is_empty() {
            true => Default::default(),
            false => (identities(input, &self.same)?.collect(), identities(other, &self.same)?.collect()),
        };
        let itself = |row: usize, at: usize| !self.same.is_empty() && own[row] == theirs[at];
        Ok(match &self.choice {
            Choice::First => vec![(0..k.min(other.rows) as u32).collect(); input.rows],
            Choice::Random { by, their, seed } => {
                let draw = Draw::new("examples", *seed);
                let rows = identities(input, by)?.map(|identity| draw.of(identity));
                let others: Vec<u64> = identities(other, their)?.map(|identity| identity as u64).collect();
                let one = |(row, drawn): (usize, u64)| {
                    let mut best: Vec<(u64, u32)> = Vec::with_capacity(k + 1);
                    for (at, identity) in others.iter().enumerate() {
                        let number = mix64(drawn ^ identity);
                        let better = best.len() < k || best.last().is_some_and(|(worst, _)| number < *worst);
                        if better && !itself(row, at) {
                            let to = best.partition_point(|(other, _)| *other <= number);
                            best.insert(to, (number, at as u32));
                            best.truncate(k);
                        }
                    }
                    best.into_iter().map(|(_, at)| at).collect()
                };
                rows.enumerate().map(one).collect()
            }
            Choice::Similar { by, their } => {
                let rows = Vectors::of_rows(&columns(input, std::slice::from_ref(by))?[0], by)?;
                let others = Vectors::of_others(&columns(other, std::slice::from_ref(their))?[0], their)?;
                let found = nearest(&rows, &others, k, itself)?;
                found.into_iter().map(|near| near.into_iter().map(|(at, _)| at).collect()).collect()
            }
        })
    }
}

impl ReferOp for Examples {
    fn write_key(&self, key: &mut KeyWriter) {
        key.int("k", i64::from(self.k));
        let at = |all: &[String], name: &String| all.iter().position(|read| read == name).map_or(-1, |at| at as i64);
        match &self.choice {
            Choice::First => key.text("pick", "first"),
            Choice::Random { by, their, seed } => {
                key.text("pick", "random").int("seed", *seed);
                key.int("by", by.len() as i64).int("their", their.len() as i64)
            }
            Choice::Similar { .. } => key.text("pick", "similar"),
        };
        for name in &self.same {
            key.int("same", at(&self.reads, name)).int("as", at(&self.refers, name));
        }
        for field in &self.shown {
            key.text("shown", &field.name).int("column", at(&self.refers, &field.name));
        }
    }

    fn name(&self) -> &'static str {
        "examples"
    }

    fn reads(&self) -> &[String] {
        &self.reads
    }

    fn refers(&self) -> &[String] {
        &self.refers
    }

    fn writes(&self) -> &[Field] {
        &self.writes
    }

    fn run(&self, input: &Batch, other: &Other) -> Result<Vec<ArrayRef>, RowError> {
        let other = other.rows()?;
        let found = self.choose(input, other)?;
        let names: Vec<String> = self.shown.iter().map(|field| field.name.clone()).collect();
        Ok(vec![lists(&self.shown, &found, Vec::new(), &columns(other, &names)?)?])
    }
}
