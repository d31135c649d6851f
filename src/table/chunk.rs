//! The canonical encoding of a column chunk: equal columns have equal bytes.

use super::bytes::{Malformed, Reader, put_len, put_pad, put_type};
use super::types::Type;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, NullArray, PrimitiveArray, StringArray, StructArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{Field as ArrowField, Fields};
use std::borrow::Cow;
use std::sync::Arc;

/// The first bytes of a chunk.
pub(super) const CHUNK: &[u8; 8] = b"dmcol\0\0\x01";

/// Writes the chunk's contents.
pub fn encode_chunk(column: &ArrayRef) -> Vec<u8> {
    chunk_pieces(column).concat()
}

/// Writes the chunk's contents in pieces that follow each other; the bytes of texts are not copied where they lie as they are written.
///
/// # Panics
/// If the array is not of a table's type; ops make no others.
pub fn chunk_pieces(column: &ArrayRef) -> [Cow<'_, [u8]>; 3] {
    let ty = Type::of(column.data_type()).expect("columns are of a table's type");
    let mut out = CHUNK.to_vec();
    put_type(&mut out, &ty);
    put_len(&mut out, column.len());
    put_pad(&mut out);
    if ty != Type::String {
        put_array(&mut out, &ty, column);
        return [out.into(), Cow::default(), Cow::default()];
    }
    put_nulls(&mut out, column);
    let texts = put_texts(&mut out, column.as_string());
    let pad = vec![0; texts.len().next_multiple_of(8) - texts.len()];
    [out.into(), texts, pad.into()]
}

/// Writes which values there are; returns it too, unless all are.
fn put_nulls<'a>(out: &mut Vec<u8>, column: &'a ArrayRef) -> Option<&'a NullBuffer> {
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    out.push(u8::from(nulls.is_some()));
    put_pad(out);
    if let Some(nulls) = nulls {
        put_bits(out, nulls.inner());
    }
    nulls
}

/// Writes where texts end, and returns their bytes. Null slots may hide some: only those of valid ones are returned.
fn put_texts<'a>(out: &mut Vec<u8>, texts: &'a StringArray) -> Cow<'a, [u8]> {
    let valid = |i: usize| texts.is_valid(i);
    let (offsets, bytes) = (texts.value_offsets(), texts.value_data());
    put_offsets(out, offsets, valid);
    let all = &bytes[offsets[0] as usize..offsets[texts.len()] as usize];
    let hidden = (0..texts.len()).any(|i| !valid(i) && offsets[i] < offsets[i + 1]);
    match hidden {
        true => texts.iter().flatten().flat_map(str::bytes).collect::<Vec<u8>>().into(),
        false => all.into(),
    }
}

fn put_array(out: &mut Vec<u8>, ty: &Type, column: &ArrayRef) {
    if *ty == Type::Null {
        return;
    }
    let nulls = put_nulls(out, column);
    let valid = |i: usize| nulls.is_none_or(|nulls| nulls.is_valid(i));
    match ty {
        Type::Null => {}
        Type::Bool => {
            let values = column.as_boolean().values();
            match nulls {
                Some(nulls) => put_bits(out, &(values & nulls.inner())),
                None => put_bits(out, values),
            }
        }
        Type::Int => put_words(out, column.as_primitive::<Int64Type>().values(), valid, i64::to_le_bytes),
        Type::Timestamp => {
            put_words(out, column.as_primitive::<TimestampMicrosecondType>().values(), valid, i64::to_le_bytes);
        }
        Type::Float => {
            put_words(out, column.as_primitive::<Float64Type>().values(), valid, |value| canonical(value).to_le_bytes())
        }
        Type::Date => {
            put_words(out, column.as_primitive::<Date32Type>().values(), valid, i32::to_le_bytes);
            put_pad(out);
        }
        Type::String => {
            let texts = put_texts(out, column.as_string());
            out.extend_from_slice(&texts);
            put_pad(out);
        }
        Type::List(item) => {
            let values = column.as_list::<i32>();
            let offsets = values.value_offsets();
            put_offsets(out, offsets, valid);
            let items = if nulls.is_some() {
                let kept: Vec<u32> = (0..values.len())
                    .filter(|i| valid(*i))
                    .flat_map(|i| offsets[i] as u32..offsets[i + 1] as u32)
                    .collect();
                arrow_select::take::take(values.values(), &arrow_array::UInt32Array::from(kept), None)
                    .expect("offsets are within the items")
            } else {
                let start = offsets[0] as usize;
                values.values().slice(start, offsets[values.len()] as usize - start)
            };
            put_len(out, items.len());
            put_pad(out);
            put_array(out, item, &items);
        }
        Type::Struct(fields) => {
            let values = column.as_struct();
            for (i, field) in fields.iter().enumerate() {
                // A field of a null struct is null, whatever the slot hides.
                let child = values.column(i);
                match nulls {
                    Some(nulls) if field.ty != Type::Null => {
                        let both = NullBuffer::union(Some(nulls), child.nulls());
                        let data = child.to_data().into_builder().nulls(both).build().expect("only validity changed");
                        put_array(out, &field.ty, &arrow_array::make_array(data));
                    }
                    _ => put_array(out, &field.ty, child),
                }
            }
        }
    }
}

/// Returns the bits of a float as they are written: there is one NaN.
pub(super) fn canonical(value: f64) -> u64 {
    if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() }
}

fn put_bits(out: &mut Vec<u8>, bits: &BooleanBuffer) {
    let start = out.len();
    out.extend_from_slice(&bits.sliced()[..bits.len().div_ceil(8)]);
    // What lies behind the last bit may be anything.
    if let (Some(last), used @ 1..) = (out[start..].last_mut(), bits.len() % 8) {
        *last &= (1 << used) - 1;
    }
    put_pad(out);
}

fn put_words<T: Copy + Default, const N: usize>(
    out: &mut Vec<u8>,
    values: &[T],
    valid: impl Fn(usize) -> bool,
    bytes: impl Fn(T) -> [u8; N],
) {
    out.reserve(values.len() * N);
    for (i, value) in values.iter().enumerate() {
        out.extend_from_slice(&bytes(if valid(i) { *value } else { T::default() }));
    }
}

fn put_offsets(out: &mut Vec<u8>, offsets: &[i32], valid: impl Fn(usize) -> bool) {
    let mut at = 0u32;
    out.reserve(offsets.len() * 4);
    out.extend_from_slice(&at.to_le_bytes());
    for (i, pair) in offsets.windows(2).enumerate() {
        if valid(i) {
            at += (pair[1] - pair[0]) as u32;
        }
        out.extend_from_slice(&at.to_le_bytes());
    }
    put_pad(out);
}

/// Reads a chunk's contents. Values are not copied where the buffer allows it.
pub fn decode_chunk(contents: &Buffer) -> Result<ArrayRef, Malformed> {
    let mut from = Reader::new(contents);
    from.magic(CHUNK)?;
    let ty = from.ty()?;
    let rows = from.u32()? as usize;
    from.pad()?;
    let array = array(contents, &mut from, &ty, rows)?;
    from.end()?;
    Ok(array)
}

fn array(contents: &Buffer, from: &mut Reader, ty: &Type, rows: usize) -> Result<ArrayRef, Malformed> {
    if *ty == Type::Null {
        return Ok(Arc::new(NullArray::new(rows)));
    }
    let nulls = match from.u8()? {
        0 => None,
        1 => {
            from.pad()?;
            Some(NullBuffer::new(bits(contents, from, rows)?))
        }
        _ => return Err(Malformed("unknown validity")),
    };
    from.pad()?;
    Ok(match ty {
        Type::Null => Arc::new(NullArray::new(rows)),
        Type::Bool => Arc::new(BooleanArray::new(bits(contents, from, rows)?, nulls)),
        Type::Int => Arc::new(PrimitiveArray::<Int64Type>::new(words(contents, from, rows, 8)?.into(), nulls)),
        Type::Timestamp => {
            Arc::new(PrimitiveArray::<TimestampMicrosecondType>::new(words(contents, from, rows, 8)?.into(), nulls))
        }
        Type::Float => Arc::new(PrimitiveArray::<Float64Type>::new(words(contents, from, rows, 8)?.into(), nulls)),
        Type::Date => {
            let values = words(contents, from, rows, 4)?;
            from.pad()?;
            Arc::new(PrimitiveArray::<Date32Type>::new(values.into(), nulls))
        }
        Type::String => {
            let offsets = offsets(contents, from, rows)?;
            let bytes = words(contents, from, offsets[rows] as usize, 1)?;
            from.pad()?;
            Arc::new(StringArray::try_new(offsets, bytes, nulls).map_err(|_| Malformed("a text is not UTF-8"))?)
        }
        Type::List(item) => {
            let offsets = offsets(contents, from, rows)?;
            let items = from.u32()? as usize;
            from.pad()?;
            let values = array(contents, from, item, items)?;
            let field = Arc::new(ArrowField::new("item", item.arrow(), true));
            Arc::new(ListArray::try_new(field, offsets, values, nulls).map_err(|_| Malformed("a list past its items"))?)
        }
        Type::Struct(fields) => {
            let children = fields.iter().map(|f| array(contents, from, &f.ty, rows)).collect::<Result<Vec<_>, _>>()?;
            let arrow: Fields = fields.iter().map(|f| ArrowField::new(&f.name, f.ty.arrow(), true)).collect();
            if fields.is_empty() {
                Arc::new(StructArray::new_empty_fields(rows, nulls))
            } else {
                Arc::new(
                    StructArray::try_new(arrow, children, nulls).map_err(|_| Malformed("fields of unlike length"))?,
                )
            }
        }
    })
}

fn words(contents: &Buffer, from: &mut Reader, n: usize, width: usize) -> Result<Buffer, Malformed> {
    let start = from.position();
    let length = n.checked_mul(width).ok_or(Malformed("too long"))?;
    from.take(length)?;
    let slice = contents.slice_with_length(start, length);
    // Values of 8 bytes want their alignment; a buffer from the store has it.
    Ok(if slice.as_ptr().align_offset(width) == 0 { slice } else { Buffer::from_slice_ref(slice.as_slice()) })
}

fn bits(contents: &Buffer, from: &mut Reader, n: usize) -> Result<BooleanBuffer, Malformed> {
    let bytes = words(contents, from, n.div_ceil(8), 1)?;
    from.pad()?;
    Ok(BooleanBuffer::new(bytes, 0, n))
}

fn offsets(contents: &Buffer, from: &mut Reader, rows: usize) -> Result<OffsetBuffer<i32>, Malformed> {
    let values = ScalarBuffer::<i32>::from(words(contents, from, rows + 1, 4)?);
    from.pad()?;
    if values[0] != 0 || values.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(Malformed("offsets that go back"));
    }
    Ok(OffsetBuffer::new(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, Int64Array};
    use proptest::prelude::*;

    fn check(column: ArrayRef) {
        let bytes = encode_chunk(&column);
        let back = decode_chunk(&Buffer::from(bytes.clone())).expect("it was just written");
        assert_eq!(&back, &column);
        assert_eq!(encode_chunk(&back), bytes);
    }

    proptest! {
        #[test]
        fn a_chunk_reads_back_from_its_bytes(
            ints in prop::collection::vec(prop::option::of(any::<i64>()), 0..40),
            texts in prop::collection::vec(prop::option::of(".{0,9}"), 0..40),
            bools in prop::collection::vec(prop::option::of(any::<bool>()), 0..40),
        ) {
            check(Arc::new(Int64Array::from(ints.clone())));
            check(Arc::new(StringArray::from(texts)));
            check(Arc::new(BooleanArray::from(bools)));
            check(Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(
                ints.chunks(3).map(|items| (items.len() > 1).then(|| items.to_vec())),
            )));
        }

        #[test]
        fn a_slice_and_its_copy_have_equal_bytes(texts in prop::collection::vec(prop::option::of(".{0,9}"), 8..40)) {
            let whole: ArrayRef = Arc::new(StringArray::from(texts.clone()));
            let copy: ArrayRef = Arc::new(StringArray::from(texts[3..8].to_vec()));
            prop_assert_eq!(encode_chunk(&whole.slice(3, 5)), encode_chunk(&copy));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), valid in any::<bool>()) {
            let mut all = if valid { CHUNK.to_vec() } else { Vec::new() };
            all.extend(bytes);
            let _ = decode_chunk(&Buffer::from(all));
        }
    }

    #[test]
    fn every_nan_is_written_alike() {
        let nan = |bits| encode_chunk(&(Arc::new(Float64Array::from(vec![f64::from_bits(bits)])) as ArrayRef));
        assert_eq!(nan(0x7ff8_0000_0000_0001), nan(0xfff8_0000_0000_0000));
    }
}
