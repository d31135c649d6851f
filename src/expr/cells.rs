//! Loops over cells: how a plain Rust function becomes one over columns, with nulls, constants and row errors.

use super::RowError;
use super::like::Like;
use crate::text::Measure;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use regex::Regex;
use std::borrow::Cow;
use std::sync::Arc;

/// What a function gives: a column, or the first row that it cannot do.
pub type Outcome = Result<ArrayRef, RowError>;

/// The longest text that a function makes in one cell, in bytes.
pub const LONGEST: usize = 1 << 26;

/// Why one cell cannot be computed.
#[derive(Clone, Debug)]
pub struct Fault {
    pub message: String,
    pub help: Option<String>,
}

impl Fault {
    /// Says what is wrong.
    pub fn new(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), help: None }
    }

    /// Says what to do.
    pub fn help(self, help: impl Into<String>) -> Fault {
        Fault { help: Some(help.into()), ..self }
    }

    /// Says in which row.
    pub fn at(self, row: usize) -> RowError {
        RowError { row, message: self.message, help: self.help }
    }

    /// A result outside of 64 bits.
    pub fn overflow(what: impl std::fmt::Display) -> Fault {
        Fault::new(format!("{what} is too large for an int")).help("cast one side to float")
    }

    /// A text above the limit.
    pub fn too_long() -> Fault {
        Fault::new(format!("the text would be longer than {} MiB", LONGEST >> 20))
    }
}

/// A column, or one cell that stands for all rows.
#[derive(Clone, Debug)]
pub struct Val {
    pub array: ArrayRef,
    /// Then the array has one row.
    pub constant: bool,
}

/// A pattern that was compiled when the expression was bound.
#[derive(Clone, Debug)]
pub enum Prepared {
    None,
    Regex(Regex),
    Like(Like),
    /// The measure that a call of literals is.
    Measure(Arc<Measure>),
}

/// The evaluated arguments of a call.
///
/// Unless the function sees nulls, constant arguments are not null.
pub struct Args<'a> {
    pub vals: &'a [Val],
    /// 1 if all arguments are constant.
    pub rows: usize,
    pub prepared: &'a Prepared,
}

/// A type of cell that functions take.
pub trait Read<'a>: Copy {
    type Array: Array + 'static;
    fn at(array: &'a Self::Array, row: usize) -> Self;
}

/// A type of cell that functions give.
pub trait Cell: Sized {
    type Builder;
    fn builder(rows: usize) -> Self::Builder;
    fn put(self, to: &mut Self::Builder) -> Result<(), Fault>;
    fn put_null(to: &mut Self::Builder);
    fn finish(builder: Self::Builder) -> ArrayRef;
}

/// Days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i32);

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub i64);

macro_rules! cell {
    ($type:ty, $array:ty, $builder:ty, $wrap:expr, $unwrap:expr) => {
        impl<'a> Read<'a> for $type {
            type Array = $array;
            #[inline]
            fn at(array: &'a $array, row: usize) -> $type {
                $wrap(array.value(row))
            }
        }
        impl Cell for $type {
            type Builder = $builder;
            fn builder(rows: usize) -> $builder {
                <$builder>::with_capacity(rows)
            }
            #[inline]
            fn put(self, to: &mut $builder) -> Result<(), Fault> {
                to.append_value($unwrap(self));
                Ok(())
            }
            fn put_null(to: &mut $builder) {
                to.append_null();
            }
            fn finish(mut builder: $builder) -> ArrayRef {
                Arc::new(builder.finish())
            }
        }
    };
}

cell!(bool, BooleanArray, BooleanBuilder, |x| x, |x| x);
cell!(i64, PrimitiveArray<Int64Type>, Int64Builder, |x| x, |x| x);
cell!(f64, PrimitiveArray<Float64Type>, Float64Builder, |x| x, |x| x);
cell!(Day, PrimitiveArray<Date32Type>, Date32Builder, Day, |x: Day| x.0);
cell!(Micros, PrimitiveArray<TimestampMicrosecondType>, TimestampMicrosecondBuilder, Micros, |x: Micros| x.0);

impl<'a> Read<'a> for &'a str {
    type Array = StringArray;
    #[inline]
    fn at(array: &'a StringArray, row: usize) -> &'a str {
        array.value(row)
    }
}

impl Cell for &str {
    type Builder = StringBuilder;
    fn builder(rows: usize) -> StringBuilder {
        StringBuilder::with_capacity(rows, rows * 16)
    }
    fn put(self, to: &mut StringBuilder) -> Result<(), Fault> {
        if self.len() > LONGEST {
            return Err(Fault::too_long());
        }
        if to.values_slice().len() + self.len() > i32::MAX as usize {
            return Err(Fault::new("the texts of this row group would be longer than 2 GiB"));
        }
        to.append_value(self);
        Ok(())
    }
    fn put_null(to: &mut StringBuilder) {
        to.append_null();
    }
    fn finish(mut builder: StringBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

macro_rules! text_cell {
    ($type:ty) => {
        impl Cell for $type {
            type Builder = StringBuilder;
            fn builder(rows: usize) -> StringBuilder {
                <&str>::builder(rows)
            }
            fn put(self, to: &mut StringBuilder) -> Result<(), Fault> {
                (&*self).put(to)
            }
            fn put_null(to: &mut StringBuilder) {
                to.append_null();
            }
            fn finish(builder: StringBuilder) -> ArrayRef {
                <&str>::finish(builder)
            }
        }
    };
}

text_cell!(String);
text_cell!(Cow<'_, str>);

impl Cell for Vec<&str> {
    type Builder = ListBuilder<StringBuilder>;
    fn builder(rows: usize) -> Self::Builder {
        ListBuilder::with_capacity(StringBuilder::new(), rows)
    }
    fn put(self, to: &mut Self::Builder) -> Result<(), Fault> {
        self.into_iter().try_for_each(|item| item.put(to.values()))?;
        to.append(true);
        Ok(())
    }
    fn put_null(to: &mut Self::Builder) {
        to.append(false);
    }
    fn finish(mut builder: Self::Builder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

/// What the function of one row returns: a cell, perhaps a cell, or either with a fault.
pub trait Give {
    type Cell: Cell;
    fn give(self) -> Result<Option<Self::Cell>, Fault>;
}

impl<T: Cell> Give for T {
    type Cell = T;
    fn give(self) -> Result<Option<T>, Fault> {
        Ok(Some(self))
    }
}

impl<T: Cell> Give for Option<T> {
    type Cell = T;
    fn give(self) -> Result<Option<T>, Fault> {
        Ok(self)
    }
}

impl<T: Cell> Give for Result<T, Fault> {
    type Cell = T;
    fn give(self) -> Result<Option<T>, Fault> {
        self.map(Some)
    }
}

impl<T: Cell> Give for Result<Option<T>, Fault> {
    type Cell = T;
    fn give(self) -> Result<Option<T>, Fault> {
        self
    }
}

/// An argument, read as cells of one type.
pub struct Column<'a, A: Read<'a>> {
    array: &'a A::Array,
    step: usize,
}

impl<'a, A: Read<'a>> Column<'a, A> {
    /// Returns the cell of a row that is not null.
    #[inline]
    pub fn get(&self, row: usize) -> A {
        A::at(self.array, row * self.step)
    }
}

impl<'a> Args<'a> {
    /// Reads the `i`-th argument; the signature of the function says of which type it is.
    pub fn column<A: Read<'a>>(&self, i: usize) -> Column<'a, A> {
        let val = &self.vals[i];
        let array = val.array.as_any().downcast_ref().expect("arguments are cast to the signature's types");
        Column { array, step: usize::from(!val.constant) }
    }

    /// Reads the `i`-th argument as lists.
    pub fn lists(&self, i: usize) -> (&'a ListArray, usize) {
        (self.vals[i].array.as_list::<i32>(), usize::from(!self.vals[i].constant))
    }

    /// Returns the rows in which no argument is null.
    pub fn valid(&self) -> Option<NullBuffer> {
        let nulls = |val: &Val| if val.constant && self.rows != 1 { None } else { val.array.logical_nulls() };
        self.vals.iter().fold(None, |all, val| NullBuffer::union(all.as_ref(), nulls(val).as_ref()))
    }

    /// Computes each row in which no argument is null.
    pub fn each<R: Give>(&self, mut f: impl FnMut(usize) -> R) -> Outcome {
        let mut out = R::Cell::builder(self.rows);
        let valid = self.valid().filter(|valid| valid.null_count() > 0);
        for row in 0..self.rows {
            let cell = match &valid {
                Some(valid) if valid.is_null(row) => None,
                _ => f(row).give().map_err(|fault| fault.at(row))?,
            };
            match cell {
                Some(cell) => cell.put(&mut out).map_err(|fault| fault.at(row))?,
                None => R::Cell::put_null(&mut out),
            }
        }
        Ok(R::Cell::finish(out))
    }

    /// Decides every row at once; `f` also sees rows that are null, whose answer does not count.
    pub fn test(&self, f: impl FnMut(usize) -> bool) -> Outcome {
        Ok(Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(self.rows, f), self.valid())))
    }
}

/// Applies a function of one argument.
pub fn map1<'a, A: Read<'a>, R: Give>(args: &Args<'a>, f: impl Fn(A) -> R) -> Outcome {
    let a = args.column::<A>(0);
    args.each(|row| f(a.get(row)))
}

/// Applies a function of two arguments.
pub fn map2<'a, A: Read<'a>, B: Read<'a>, R: Give>(args: &Args<'a>, f: impl Fn(A, B) -> R) -> Outcome {
    let (a, b) = (args.column::<A>(0), args.column::<B>(1));
    args.each(|row| f(a.get(row), b.get(row)))
}

/// Applies a function of three arguments.
pub fn map3<'a, A: Read<'a>, B: Read<'a>, C: Read<'a>, R: Give>(args: &Args<'a>, f: impl Fn(A, B, C) -> R) -> Outcome {
    let (a, b, c) = (args.column::<A>(0), args.column::<B>(1), args.column::<C>(2));
    args.each(|row| f(a.get(row), b.get(row), c.get(row)))
}

/// Applies a test of two arguments that cannot fail.
pub fn test2<'a, A: Read<'a>, B: Read<'a>>(args: &Args<'a>, f: impl Fn(A, B) -> bool) -> Outcome {
    let (a, b) = (args.column::<A>(0), args.column::<B>(1));
    args.test(|row| f(a.get(row), b.get(row)))
}
