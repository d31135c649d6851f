//! Cells as bytes that order, compare and hash as the cells do.
//!
//! `=`, `in`, `distinct`, `by`, `min`, `median` and `hash_share` all agree because all go through here.
//! Null comes first; `-0.0` equals `0.0`; there is one NaN, after all numbers; texts order by their UTF-8 bytes.

use super::value::Value;
use crate::table::{Malformed, Reader, Type};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};

/// Appends the key of the cell of `array` at `row`; `ty` is the array's type.
pub fn put_key(out: &mut Vec<u8>, ty: &Type, array: &ArrayRef, row: usize) {
    if *ty == Type::Null || array.is_null(row) {
        out.push(0);
        return;
    }
    out.push(1);
    match ty {
        Type::Null => {}
        Type::Bool => out.push(u8::from(array.as_boolean().value(row))),
        Type::Int => put_int(out, array.as_primitive::<Int64Type>().value(row)),
        Type::Float => {
            out.extend_from_slice(&float_order(array.as_primitive::<Float64Type>().value(row)).to_be_bytes())
        }
        Type::Date => put_int(out, i64::from(array.as_primitive::<Date32Type>().value(row))),
        Type::Timestamp => put_int(out, array.as_primitive::<TimestampMicrosecondType>().value(row)),
        Type::String => {
            // A zero byte is followed by 1 and the end is 0, 0: so a prefix comes first.
            for byte in array.as_string::<i32>().value(row).bytes() {
                out.push(byte);
                if byte == 0 {
                    out.push(1);
                }
            }
            out.extend_from_slice(&[0, 0]);
        }
        Type::List(item) => {
            let list = array.as_list::<i32>();
            let (start, end) = (list.value_offsets()[row] as usize, list.value_offsets()[row + 1] as usize);
            for i in start..end {
                out.push(1);
                put_key(out, item, list.values(), i);
            }
            out.push(0);
        }
        Type::Struct(fields) => {
            fields.iter().enumerate().for_each(|(i, field)| put_key(out, &field.ty, array.as_struct().column(i), row));
        }
    }
}

fn put_int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&(value as u64 ^ 1 << 63).to_be_bytes());
}

/// Maps floats to numbers that order as SQL orders the floats: `-0.0` = `0.0`, NaN equal to itself and greatest.
pub fn float_order(value: f64) -> u64 {
    if value.is_nan() {
        return u64::MAX;
    }
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// Takes one key of type `ty` off `from` and returns the value that it came from.
pub fn take_key(from: &mut Reader, ty: &Type) -> Result<Value, Malformed> {
    match from.u8()? {
        0 => return Ok(Value::Null),
        1 => {}
        _ => return Err(Malformed("neither null nor a value")),
    }
    Ok(match ty {
        Type::Null => return Err(Malformed("a value of type null")),
        Type::Bool => match from.u8()? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return Err(Malformed("neither true nor false")),
        },
        Type::Int => Value::Int(take_int(from)?),
        Type::Timestamp => Value::Timestamp(take_int(from)?),
        Type::Date => Value::Date(i32::try_from(take_int(from)?).map_err(|_| Malformed("a date out of range"))?),
        Type::Float => {
            let order = take_u64(from)?;
            let value = match order {
                u64::MAX => f64::NAN,
                _ if order >> 63 == 1 => f64::from_bits(order ^ 1 << 63),
                _ => f64::from_bits(!order),
            };
            if float_order(value) != order {
                return Err(Malformed("a float in a form that is not written"));
            }
            Value::Float(value)
        }
        Type::String => {
            let mut bytes = Vec::new();
            loop {
                match from.u8()? {
                    0 => match from.u8()? {
                        0 => break,
                        1 => bytes.push(0),
                        _ => return Err(Malformed("a text that does not end")),
                    },
                    byte => bytes.push(byte),
                }
            }
            Value::String(String::from_utf8(bytes).map_err(|_| Malformed("a text is not UTF-8"))?)
        }
        Type::List(item) => {
            let mut items = Vec::new();
            loop {
                match from.u8()? {
                    0 => break Value::List(items),
                    1 => items.push(take_key(from, item)?),
                    _ => return Err(Malformed("a list that does not end")),
                }
            }
        }
        Type::Struct(fields) => Value::Struct(
            fields.iter().map(|f| Ok((f.name.clone(), take_key(from, &f.ty)?))).collect::<Result<_, _>>()?,
        ),
    })
}

fn take_int(from: &mut Reader) -> Result<i64, Malformed> {
    Ok((take_u64(from)? ^ 1 << 63) as i64)
}

fn take_u64(from: &mut Reader) -> Result<u64, Malformed> {
    Ok(u64::from_be_bytes(from.take(8)?.try_into().expect("eight bytes were taken")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, Int64Array, StringArray};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn keys(array: ArrayRef) -> Vec<Vec<u8>> {
        let ty = Type::of(array.data_type()).expect("a table type");
        let key = |row| {
            let mut out = Vec::new();
            put_key(&mut out, &ty, &array, row);
            let value = take_key(&mut Reader::new(&out), &ty).expect("a key reads back");
            assert_eq!(
                format!("{value:?}"),
                format!("{:?}", super::super::value::value_at(&array, row)).replace("(-0.0)", "(0.0)")
            );
            out
        };
        (0..array.len()).map(key).collect()
    }

    proptest! {
        #[test]
        fn keys_order_as_their_values(a in any::<i64>(), b in any::<i64>(), s in "[a\0b]{0,4}", t in "[a\0b]{0,4}", x in any::<f64>(), y in any::<f64>()) {
            let ints = keys(Arc::new(Int64Array::from(vec![a, b])));
            prop_assert_eq!(ints[0].cmp(&ints[1]), a.cmp(&b));
            let texts = keys(Arc::new(StringArray::from(vec![s.as_str(), t.as_str()])));
            prop_assert_eq!(texts[0].cmp(&texts[1]), s.cmp(&t));
            let floats = keys(Arc::new(Float64Array::from(vec![x, y])));
            prop_assert_eq!(Some(floats[0].cmp(&floats[1])), x.partial_cmp(&y));
        }
    }

    #[test]
    fn there_is_one_zero_and_one_nan_and_null_comes_first() {
        let keys = keys(Arc::new(Float64Array::from(vec![
            None,
            Some(-0.0),
            Some(0.0),
            Some(f64::INFINITY),
            Some(f64::NAN),
            Some(-f64::NAN),
        ])));
        assert_eq!(keys[1], keys[2]);
        assert_eq!(keys[4], keys[5]);
        assert!(keys[0] < keys[1] && keys[2] < keys[3] && keys[3] < keys[4]);
    }
}
