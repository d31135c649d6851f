//! Evaluation of a bound tree over columns; branches run only on the rows that take them.

use super::RowError;
use super::cast::cast;
use super::cells::{Args, Val};
use super::functions::{Nulls, Run};
use super::key::put_key;
use super::measures;
use super::tree::{Call, Kind, Logic, Node, Set};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, new_null_array};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use std::collections::BTreeSet;

/// The columns that an expression reads, by position; those that it does not need may be absent.
#[derive(Clone)]
pub struct Frame {
    pub columns: Vec<Option<ArrayRef>>,
    pub rows: usize,
}

impl Frame {
    /// Keeps `rows` of the columns that `node` reads.
    fn select(&self, rows: &[u32], node: &Node) -> Frame {
        if rows.len() == self.rows {
            return self.clone();
        }
        let mut needed = BTreeSet::new();
        node.columns(&mut needed);
        let indices = UInt32Array::from_iter_values(rows.iter().copied());
        let take = |(i, column): (usize, &Option<ArrayRef>)| {
            let column = column.as_ref().filter(|_| needed.contains(&i))?;
            Some(arrow_select::take::take(column, &indices, None).expect("every index is a row"))
        };
        Frame { columns: self.columns.iter().enumerate().map(take).collect(), rows: rows.len() }
    }

    fn head(&self, rows: usize) -> Frame {
        Frame { columns: self.columns.iter().map(|c| c.as_ref().map(|c| c.slice(0, rows))).collect(), rows }
    }
}

/// Evaluates to a column of `frame.rows` rows; the error is that of the first row that has one.
pub fn column(node: &Node, frame: &Frame) -> Result<ArrayRef, RowError> {
    if frame.rows == 0 {
        return Ok(arrow_array::new_empty_array(&node.ty.arrow()));
    }
    let mut error = match eval(node, frame) {
        Ok(val) => return Ok(val.spread(frame.rows)),
        Err(error) => error,
    };
    // Another part of the expression may fail in a row before: look there, until nothing does.
    while error.row > 0 {
        match eval(node, &frame.head(error.row)) {
            Ok(_) => break,
            Err(earlier) => error = earlier,
        }
    }
    Err(error)
}

impl Val {
    fn of(array: ArrayRef) -> Val {
        Val { array, constant: false }
    }

    fn is_constant_null(&self) -> bool {
        self.constant && (self.array.is_null(0) || *self.array.data_type() == DataType::Null)
    }

    fn spread(self, rows: usize) -> ArrayRef {
        if !self.constant {
            return self.array;
        }
        let zeros = UInt32Array::from_value(0, rows);
        arrow_select::take::take(&self.array, &zeros, None).expect("a constant has a row 0")
    }
}

fn eval(node: &Node, frame: &Frame) -> Result<Val, RowError> {
    Ok(match &node.kind {
        Kind::Column(i) => Val::of(frame.columns[*i].clone().expect("a frame has the columns that are read")),
        Kind::Literal(array) => Val { array: array.clone(), constant: true },
        Kind::Field(of, i) => {
            let of = eval(of, frame)?;
            Val { array: field(&of.array, *i), constant: of.constant }
        }
        Kind::Cast(of, mode) => {
            let val = eval(of, frame)?;
            Val { array: cast(&val.array, &of.ty, &node.ty, *mode)?, constant: val.constant }
        }
        Kind::Call(call) => run(call, node, frame)?,
        Kind::Logic(logic, nodes) => Val::of(logical(*logic, nodes, frame)?),
        Kind::Coalesce(nodes) => {
            let mut patches = Patches::new(frame);
            for of in nodes {
                patches.add(of, |array, row| array.is_valid(row))?;
            }
            patches.finish(node)
        }
        Kind::Case(arms, last) => {
            let mut patches = Patches::new(frame);
            for (when, then) in arms {
                patches.arm(when, then)?;
            }
            patches.add(last, |_, _| true)?;
            patches.finish(node)
        }
        Kind::In(of, set) => {
            let val = eval(of, frame)?;
            Val { array: among(&val.array, of, set), constant: val.constant }
        }
    })
}

fn run(call: &Call, node: &Node, frame: &Frame) -> Result<Val, RowError> {
    let vals = call.args.iter().map(|arg| eval(arg, frame)).collect::<Result<Vec<_>, _>>()?;
    let constant = vals.iter().all(|val| val.constant);
    if call.nulls == Nulls::Pass && vals.iter().any(Val::is_constant_null) {
        return Ok(Val { array: new_null_array(&node.ty.arrow(), 1), constant: true });
    }
    let rows = if constant { 1 } else { frame.rows };
    let args = Args { vals: &vals, rows, prepared: &call.prepared };
    let array = match call.run {
        Run::Rows(run) => run(&args)?,
        Run::Measure(make) => measures::measure(&args, &node.ty, make)?,
        Run::Lazy(_) => unreachable!("lazy calls are bound to kinds of their own"),
    };
    Ok(Val { array, constant })
}

/// A field of a null struct is null, whatever its slot holds.
fn field(array: &ArrayRef, i: usize) -> ArrayRef {
    let of = array.as_struct();
    let child = of.column(i);
    if of.null_count() == 0 || *child.data_type() == DataType::Null {
        return child.clone();
    }
    let nulls = NullBuffer::union(of.nulls(), child.nulls());
    let data = child.to_data().into_builder().nulls(nulls).build().expect("only validity changed");
    arrow_array::make_array(data)
}

fn among(array: &ArrayRef, of: &Node, set: &Set) -> ArrayRef {
    let mut key = Vec::new();
    let found = (0..array.len()).map(|row| {
        if array.is_null(row) {
            return None;
        }
        key.clear();
        put_key(&mut key, &of.ty, array, row);
        if set.keys.contains(&key) { Some(true) } else { (!set.null).then_some(false) }
    });
    std::sync::Arc::new(found.collect::<BooleanArray>())
}

/// Three-valued logic, from left to right; heavy operands run only where they still matter.
fn logical(logic: Logic, nodes: &[Node], frame: &Frame) -> Result<ArrayRef, RowError> {
    // One operand of this value decides: false for `and`, true for `or`.
    let decides = logic == Logic::Or;
    let mut known: Vec<Option<bool>> = vec![Some(!decides); frame.rows];
    for (i, node) in nodes.iter().enumerate() {
        let join = |known: &mut Option<bool>, next: Option<bool>| match (*known, next) {
            (Some(known), _) if known == decides => {}
            (_, Some(next)) if next == decides => *known = Some(decides),
            (None, _) | (_, None) => *known = None,
            _ => {}
        };
        if i == 0 || !node.heavy() {
            let val = eval(node, frame)?;
            let bools = val.array.as_boolean();
            let step = usize::from(!val.constant);
            known.iter_mut().enumerate().for_each(|(row, known)| join(known, cell(bools, row * step)));
            continue;
        }
        let open: Vec<u32> = (0..frame.rows as u32).filter(|row| known[*row as usize] != Some(decides)).collect();
        if open.is_empty() {
            break;
        }
        let val = eval(node, &frame.select(&open, node)).map_err(|error| error.within(&open))?;
        let step = usize::from(!val.constant);
        for (i, row) in open.into_iter().enumerate() {
            join(&mut known[row as usize], cell(val.array.as_boolean(), i * step));
        }
    }
    Ok(std::sync::Arc::new(known.into_iter().collect::<BooleanArray>()))
}

fn cell(bools: &BooleanArray, row: usize) -> Option<bool> {
    bools.is_valid(row).then(|| bools.value(row))
}

impl RowError {
    /// Names the row of the whole that is its row among `rows`.
    fn within(self, rows: &[u32]) -> RowError {
        RowError { row: rows.get(self.row).map_or(0, |row| *row as usize), ..self }
    }
}

/// A column put together from branches, each computed for some rows.
struct Patches<'a> {
    frame: &'a Frame,
    /// The rows that no branch took yet.
    open: Vec<u32>,
    pieces: Vec<Val>,
    /// For each row its piece and the row in it.
    picks: Vec<(usize, usize)>,
}

impl<'a> Patches<'a> {
    fn new(frame: &'a Frame) -> Patches<'a> {
        Patches { frame, open: (0..frame.rows as u32).collect(), pieces: Vec::new(), picks: vec![(0, 0); frame.rows] }
    }

    /// Computes `node` for the open rows and takes those that `accepts` says.
    fn add(&mut self, node: &Node, accepts: impl Fn(&ArrayRef, usize) -> bool) -> Result<(), RowError> {
        let open = std::mem::take(&mut self.open);
        if open.is_empty() {
            return Ok(());
        }
        let val = eval(node, &self.frame.select(&open, node)).map_err(|error| error.within(&open))?;
        let (piece, step) = (self.pieces.len(), usize::from(!val.constant));
        for (i, row) in open.iter().enumerate() {
            // A row that nothing accepts keeps the null that was computed last.
            self.picks[*row as usize] = (piece, i * step);
            if !accepts(&val.array, i * step) {
                self.open.push(*row);
            }
        }
        self.pieces.push(val);
        Ok(())
    }

    /// Takes the open rows for which `when` is true, with the value `then`.
    fn arm(&mut self, when: &Node, then: &Node) -> Result<(), RowError> {
        if self.open.is_empty() {
            return Ok(());
        }
        let val = eval(when, &self.frame.select(&self.open, when)).map_err(|error| error.within(&self.open))?;
        let (bools, step) = (val.array.as_boolean(), usize::from(!val.constant));
        let taken = |i: &usize| cell(bools, i * step) == Some(true);
        let rest = (0..self.open.len()).filter(|i| !taken(i)).map(|i| self.open[i]).collect();
        self.open = (0..self.open.len()).filter(taken).map(|i| self.open[i]).collect();
        if !self.open.is_empty() {
            self.add(then, |_, _| true)?;
        }
        self.open = rest;
        Ok(())
    }

    fn finish(mut self, node: &Node) -> Val {
        if self.pieces.len() == 1 {
            return self.pieces.remove(0);
        }
        if self.pieces.is_empty() {
            return Val { array: new_null_array(&node.ty.arrow(), 1), constant: true };
        }
        let arrays: Vec<&dyn Array> = self.pieces.iter().map(|piece| piece.array.as_ref()).collect();
        Val::of(arrow_select::interleave::interleave(&arrays, &self.picks).expect("all branches are of one type"))
    }
}
