//! Column builders that find their type while values come in.

use crate::table::{Field, Type};
use crate::time;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{Array, ArrayRef, ListArray, NullArray, StructArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer};
use arrow_schema::Field as ArrowField;
use std::collections::HashMap;
use std::sync::Arc;

/// A column under construction.
pub(super) struct Column {
    rows: usize,
    values: Values,
    given: Given,
    /// The line that made the type of this column what it is, fields and items left out.
    evidence: u32,
}

/// Where the type of a column is from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Inferred,
    Declared,
}

enum Values {
    /// Nothing but nulls so far.
    Null,
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    List {
        ends: Vec<i32>,
        nulls: NullBufferBuilder,
        items: Box<Column>,
    },
    Struct {
        fields: Fields,
        nulls: NullBufferBuilder,
    },
}

/// What a plain value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    /// An integer that a float holds exactly.
    Int,
    /// An integer that a float may round.
    Long,
    Float,
    Text,
}

/// A value that its column cannot hold.
#[derive(Debug)]
pub(super) enum Clash {
    /// The column is of another type, since the line `since`.
    Type { known: Type, since: u32 },
    /// The column was declared as another type.
    Declared { known: Type },
    /// An integer that 64 bits with a sign do not hold.
    TooLarge,
    /// An integer and floats: as a float, it would be another.
    Inexact,
}

impl Column {
    /// Begins a column whose type is to be found.
    pub fn inferred() -> Column {
        Column { rows: 0, values: Values::Null, given: Given::Inferred, evidence: 0 }
    }

    /// Begins a column of a declared type.
    pub fn declared(ty: &Type) -> Column {
        let nulls = || NullBufferBuilder::new(0);
        let values = match ty {
            Type::Null => Values::Null,
            Type::Bool => Values::Bool(BooleanBuilder::new()),
            Type::Int => Values::Int(Int64Builder::new()),
            Type::Float => Values::Float(Float64Builder::new()),
            Type::String => Values::Text(StringBuilder::new()),
            Type::Date => Values::Date(Date32Builder::new()),
            Type::Timestamp => Values::Timestamp(TimestampMicrosecondBuilder::new()),
            Type::List(item) => Values::List { ends: vec![0], nulls: nulls(), items: Box::new(Column::declared(item)) },
            Type::Struct(fields) => Values::Struct { fields: Fields::declared(fields), nulls: nulls() },
        };
        Column { rows: 0, values, given: Given::Declared, evidence: 0 }
    }

    /// Returns whether any JSON value is taken as its text.
    pub fn keeps_text(&self) -> bool {
        self.given == Given::Declared && matches!(self.values, Values::Text(_))
    }

    /// Returns whether a value is taken for what it is: one that needs a closer look is not.
    fn accepts(&self, kind: Kind) -> bool {
        let inferred = self.given == Given::Inferred;
        match (&self.values, kind) {
            (_, Kind::Null) => true,
            (Values::Null, _) => inferred,
            (Values::Bool(_), Kind::Bool)
            | (Values::Int(_), Kind::Int | Kind::Long)
            | (Values::Float(_), Kind::Int | Kind::Float)
            | (Values::Text(_), Kind::Text) => true,
            _ => false,
        }
    }

    /// Returns whether the column was declared.
    pub fn given(&self) -> Given {
        self.given
    }

    /// Appends `n` nulls.
    pub fn nulls(&mut self, n: usize) {
        self.rows += n;
        match &mut self.values {
            Values::Null => {}
            Values::Bool(values) => values.append_nulls(n),
            Values::Int(values) => values.append_nulls(n),
            Values::Float(values) => values.append_nulls(n),
            Values::Text(values) => values.append_nulls(n),
            Values::Date(values) => values.append_nulls(n),
            Values::Timestamp(values) => values.append_nulls(n),
            Values::List { ends, nulls, .. } => {
                let end = ends[ends.len() - 1];
                ends.resize(ends.len() + n, end);
                nulls.append_n_nulls(n);
            }
            Values::Struct { fields, nulls } => {
                fields.nulls(n);
                nulls.append_n_nulls(n);
            }
        }
    }

    /// Makes a column of nulls one of `ty`, because of a value in `line`.
    fn settle(&mut self, ty: &Type, line: u32) {
        if matches!(self.values, Values::Null) && self.given == Given::Inferred {
            let mut settled = Column::declared(ty);
            settled.nulls(self.rows);
            self.values = settled.values;
            if let Values::List { items, .. } = &mut self.values {
                **items = Column::inferred();
            }
            self.evidence = line;
        }
    }

    fn clash<T>(&self) -> Result<T, Clash> {
        let known = self.ty();
        Err(match self.given {
            Given::Inferred => Clash::Type { known, since: self.evidence() },
            Given::Declared => Clash::Declared { known },
        })
    }

    /// Appends a truth value.
    pub fn bool(&mut self, value: bool, line: u32) -> Result<(), Clash> {
        self.settle(&Type::Bool, line);
        match &mut self.values {
            Values::Bool(values) => values.append_value(value),
            _ => return self.clash(),
        }
        self.rows += 1;
        Ok(())
    }

    /// Appends an integer.
    pub fn int(&mut self, value: i64, line: u32) -> Result<(), Clash> {
        self.settle(&Type::Int, line);
        match &mut self.values {
            Values::Int(values) => values.append_value(value),
            Values::Float(_) if self.given == Given::Inferred && !super::is_exact(value) => return Err(Clash::Inexact),
            Values::Float(values) => values.append_value(value as f64),
            _ => return self.clash(),
        }
        self.rows += 1;
        Ok(())
    }

    /// Appends an integer above those of [`Column::int`].
    pub fn wide(&mut self, value: u64) -> Result<(), Clash> {
        match &mut self.values {
            Values::Float(values) if self.given == Given::Declared => values.append_value(value as f64),
            Values::Int(_) | Values::Float(_) | Values::Null => return Err(Clash::TooLarge),
            _ => return self.clash(),
        }
        self.rows += 1;
        Ok(())
    }

    /// Appends a float; integers before it become floats.
    pub fn float(&mut self, value: f64, line: u32) -> Result<(), Clash> {
        self.settle(&Type::Float, line);
        if let (Values::Int(ints), Given::Inferred) = (&mut self.values, self.given) {
            let ints = ints.finish();
            if ints.iter().flatten().any(|int| !super::is_exact(int)) {
                return Err(Clash::Inexact);
            }
            let mut floats = Float64Builder::with_capacity(ints.len() + 1);
            ints.iter().for_each(|int| floats.append_option(int.map(|int| int as f64)));
            self.values = Values::Float(floats);
            self.evidence = line;
        }
        match &mut self.values {
            Values::Float(values) => values.append_value(value),
            _ => return self.clash(),
        }
        self.rows += 1;
        Ok(())
    }

    /// Appends a text, or the date or time that it is declared to be.
    pub fn text(&mut self, value: &str, line: u32) -> Result<(), Clash> {
        self.settle(&Type::String, line);
        match &mut self.values {
            Values::Text(values) => values.append_value(value),
            Values::Date(values) => match time::read_date(value) {
                Some(days) => values.append_value(days),
                None => return self.clash(),
            },
            Values::Timestamp(values) => match time::read_timestamp(value) {
                Some(micros) => values.append_value(micros),
                None => return self.clash(),
            },
            _ => return self.clash(),
        }
        self.rows += 1;
        Ok(())
    }

    /// Begins a list; its items are appended to the column that is returned, and then [`Column::end_list`] is called.
    pub fn list(&mut self, line: u32) -> Result<&mut Column, Clash> {
        self.settle(&Type::List(Box::new(Type::Null)), line);
        if !matches!(self.values, Values::List { .. }) {
            return self.clash();
        }
        match &mut self.values {
            Values::List { items, .. } => Ok(items),
            _ => unreachable!("just checked"),
        }
    }

    /// Ends a list.
    pub fn end_list(&mut self) {
        if let Values::List { ends, nulls, items } = &mut self.values {
            ends.push(i32::try_from(items.rows).expect("a segment is smaller than 2 GiB, and an item takes a byte"));
            nulls.append_non_null();
            self.rows += 1;
        }
    }

    /// Begins a struct; its fields are appended to what is returned, and then [`Column::end_struct`] is called.
    pub fn fields(&mut self, line: u32) -> Result<&mut Fields, Clash> {
        self.settle(&Type::Struct(Vec::new()), line);
        if let Values::Struct { fields, .. } = &mut self.values {
            fields.given = self.given;
        } else {
            return self.clash();
        }
        match &mut self.values {
            Values::Struct { fields, .. } => Ok(fields),
            _ => unreachable!("just checked"),
        }
    }

    /// Ends a struct.
    pub fn end_struct(&mut self) {
        if let Values::Struct { fields, nulls } = &mut self.values {
            fields.end_row();
            nulls.append_non_null();
            self.rows += 1;
        }
    }

    /// Returns the type so far.
    pub fn ty(&self) -> Type {
        match &self.values {
            Values::Null => Type::Null,
            Values::Bool(_) => Type::Bool,
            Values::Int(_) => Type::Int,
            Values::Float(_) => Type::Float,
            Values::Text(_) => Type::String,
            Values::Date(_) => Type::Date,
            Values::Timestamp(_) => Type::Timestamp,
            Values::List { items, .. } => Type::List(Box::new(items.ty())),
            Values::Struct { fields, .. } => {
                Type::Struct(fields.columns.iter().map(|(name, column)| Field::new(name, column.ty())).collect())
            }
        }
    }

    /// Returns the line that made the whole type what it is.
    pub fn evidence(&self) -> u32 {
        let inner = match &self.values {
            Values::List { items, .. } => items.evidence(),
            Values::Struct { fields, .. } => {
                fields.columns.iter().map(|(_, column)| column.evidence()).max().unwrap_or(0)
            }
            _ => 0,
        };
        self.evidence.max(inner)
    }

    /// Returns the column.
    pub fn finish(self) -> ArrayRef {
        match self.values {
            Values::Null => Arc::new(NullArray::new(self.rows)),
            Values::Bool(mut values) => Arc::new(values.finish()),
            Values::Int(mut values) => Arc::new(values.finish()),
            Values::Float(mut values) => Arc::new(values.finish()),
            Values::Text(mut values) => Arc::new(values.finish()),
            Values::Date(mut values) => Arc::new(values.finish()),
            Values::Timestamp(mut values) => Arc::new(values.finish()),
            Values::List { ends, nulls, items } => {
                let items = items.finish();
                let field = Arc::new(ArrowField::new("item", items.data_type().clone(), true));
                let offsets = OffsetBuffer::new(ends.into());
                Arc::new(ListArray::new(field, offsets, items, nulls.build()))
            }
            Values::Struct { fields, nulls } => struct_array(fields.finish(), self.rows, nulls),
        }
    }
}

fn struct_array(columns: Vec<(String, Column)>, rows: usize, nulls: NullBufferBuilder) -> ArrayRef {
    if columns.is_empty() {
        return Arc::new(StructArray::new_empty_fields(rows, nulls.build()));
    }
    let (names, arrays): (Vec<String>, Vec<ArrayRef>) =
        columns.into_iter().map(|(name, column)| (name, column.finish())).unzip();
    let field = |(name, array): (String, &ArrayRef)| ArrowField::new(name, array.data_type().clone(), true);
    let fields = names.into_iter().zip(&arrays).map(field).collect();
    Arc::new(StructArray::new(fields, arrays, nulls.build()))
}

/// Named columns that are filled row by row, each row in its own order of names.
pub(super) struct Fields {
    columns: Vec<(String, Column)>,
    positions: HashMap<String, usize>,
    rows: usize,
    /// How many columns have a value in the open row.
    filled: usize,
    /// The column after the one that was filled last: mostly the next one.
    next: usize,
    given: Given,
}

/// A name that cannot be taken in this row.
pub(super) enum Refused {
    /// The row has it already.
    Twice,
    /// The declared struct does not have it.
    Undeclared,
}

impl Fields {
    /// Begins without columns; new names are welcome.
    pub fn new() -> Fields {
        Fields { columns: Vec::new(), positions: HashMap::new(), rows: 0, filled: 0, next: 0, given: Given::Inferred }
    }

    fn declared(fields: &[Field]) -> Fields {
        let mut made = Fields::new();
        fields.iter().for_each(|field| made.insert(&field.name, Column::declared(&field.ty)));
        made
    }

    fn insert(&mut self, name: &str, column: Column) {
        self.positions.insert(name.to_owned(), self.columns.len());
        self.columns.push((name.to_owned(), column));
    }

    /// Returns how many columns there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Returns how many rows were ended.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Finds the column `name` for the open row; `make` begins one that is new.
    pub fn locate(&mut self, name: &str, make: impl FnOnce() -> Column) -> Result<usize, Refused> {
        let position = match self.columns.get(self.next) {
            Some((expected, _)) if expected == name => self.next,
            _ => match self.positions.get(name) {
                Some(position) => *position,
                None if self.given == Given::Declared => return Err(Refused::Undeclared),
                None => {
                    let mut column = make();
                    column.nulls(self.rows);
                    self.insert(name, column);
                    self.columns.len() - 1
                }
            },
        };
        if self.columns[position].1.rows > self.rows {
            return Err(Refused::Twice);
        }
        self.next = position + 1;
        self.filled += 1;
        Ok(position)
    }

    /// Finds a column that is there; it may be the one at `expected`.
    pub fn find(&self, expected: usize, name: &str) -> Option<usize> {
        match self.columns.get(expected) {
            Some((known, _)) if known == name => Some(expected),
            _ => self.positions.get(name).copied(),
        }
    }

    /// Returns whether the column at `position` takes a value for what it is.
    pub fn accepts(&self, position: usize, kind: Kind) -> bool {
        self.columns[position].1.accepts(kind)
    }

    /// Returns the column at `position`, for its value in the open row.
    pub fn open(&mut self, position: usize) -> &mut Column {
        self.filled += 1;
        &mut self.columns[position].1
    }

    /// Returns the name and the column at a position that [`Fields::locate`] gave.
    pub fn at(&mut self, position: usize) -> (&str, &mut Column) {
        let (name, column) = &mut self.columns[position];
        (name, column)
    }

    /// Ends the row: what it lacks is null.
    pub fn end_row(&mut self) {
        self.rows += 1;
        if self.filled < self.columns.len() {
            let rows = self.rows;
            self.columns.iter_mut().filter(|(_, column)| column.rows < rows).for_each(|(_, column)| column.nulls(1));
        }
        (self.filled, self.next) = (0, 0);
    }

    fn nulls(&mut self, n: usize) {
        self.rows += n;
        self.columns.iter_mut().for_each(|(_, column)| column.nulls(n));
    }

    /// Returns the columns in order of first appearance.
    pub fn finish(self) -> Vec<(String, Column)> {
        self.columns
    }
}
