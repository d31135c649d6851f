//! The Vendi score: how many different vectors there are, in effect.

use super::super::RowError;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};

/// The most different vectors that are compared.
const MOST: usize = 500;

/// Finds the first row whose vector has no direction.
pub fn check(array: &ArrayRef) -> Result<(), RowError> {
    let Some(lists) = array.as_list_opt::<i32>() else { return Ok(()) };
    let Some(floats) = lists.values().as_primitive_opt::<Float64Type>() else { return Ok(()) };
    for row in (0..lists.len()).filter(|row| !lists.is_null(*row)) {
        let (start, end) = (lists.value_offsets()[row] as usize, lists.value_offsets()[row + 1] as usize);
        let finite = (start..end).all(|at| !floats.is_null(at) && floats.value(at).is_finite());
        let what = match finite && (start..end).any(|at| floats.value(at) != 0.0) {
            true => continue,
            false if start == end => "it is empty",
            false if finite => "it is zero",
            false => "a number of it is null or not finite",
        };
        let help = "leave such rows out, with `where` of the metric, and look at what makes them";
        return Err(RowError {
            row,
            message: format!("a vector has no direction: {what}"),
            help: Some(help.to_owned()),
        });
    }
    Ok(())
}

/// Returns e to the entropy of the eigenvalues of the cosines, divided by the number of vectors; each comes as often as it is said to. All have
/// a direction and as many numbers.
pub fn vendi(vectors: &[(Vec<f64>, u64)]) -> Option<f64> {
    let vectors = &vectors[..vectors.len().min(MOST)];
    if vectors.is_empty() {
        return None;
    }
    let unit = |(vector, _): &(Vec<f64>, u64)| {
        // The largest number first, so that no square is out of range.
        let largest = vector.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        let length = vector.iter().map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt();
        vector.iter().map(|x| x / largest / length).collect::<Vec<f64>>()
    };
    let units: Vec<Vec<f64>> = vectors.iter().map(unit).collect();
    let all: u64 = vectors.iter().map(|(_, n)| n).sum();
    let weight = |i: usize| (vectors[i].1 as f64 / all as f64).sqrt();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    // Copies share an eigenvector, so each vector stands once, with its weight.
    let n = units.len();
    let mut matrix: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| dot(&units[i], &units[j]) * weight(i) * weight(j)).collect()).collect();
    let values = eigenvalues(&mut matrix);
    let entropy: f64 = values.iter().filter(|x| **x > 1e-15).map(|x| -x * libm::log(*x)).sum();
    Some(libm::exp(entropy))
}

/// Returns the eigenvalues of a symmetric matrix in ascending order, by Jacobi's rotations (Golub and Van Loan, 8.5).
fn eigenvalues(a: &mut [Vec<f64>]) -> Vec<f64> {
    let n = a.len();
    for _ in 0..60 {
        let off: f64 = (0..n).map(|i| (0..i).map(|j| a[i][j] * a[i][j]).sum::<f64>()).sum();
        if off < 1e-24 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q].abs() < 1e-300 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for row in a.iter_mut() {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (above, below) = a.split_at_mut(q);
                for (x, y) in above[p].iter_mut().zip(below[0].iter_mut()) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i][i]).collect();
    values.sort_by(f64::total_cmp);
    values
}
