//! The Vendi score: how many different vectors there are, in effect.

use super::super::cells::Fault;

/// The most different vectors that are compared.
const MOST: usize = 500;

/// Returns e to the entropy of the eigenvalues of the cosines, divided by the number of vectors; each comes as often as it is said to.
pub fn vendi(vectors: &[(Vec<f64>, u64)]) -> Result<Option<f64>, Fault> {
    let vectors = &vectors[..vectors.len().min(MOST)];
    let Some((first, _)) = vectors.first() else { return Ok(None) };
    let mut units = Vec::with_capacity(vectors.len());
    for (vector, _) in vectors {
        if vector.len() != first.len() {
            let lengths = format!("{} and {}", first.len(), vector.len());
            return Err(Fault::new(format!("vectors of {lengths} numbers cannot be compared")));
        }
        let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        if !length.is_finite() || length == 0.0 {
            return Err(Fault::new("a vector has no direction: it is zero, or has no number in a place"));
        }
        units.push(vector.iter().map(|x| x / length).collect::<Vec<f64>>());
    }
    let all: u64 = vectors.iter().map(|(_, n)| n).sum();
    let weight = |i: usize| (vectors[i].1 as f64 / all as f64).sqrt();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    // Copies share an eigenvector, so each vector stands once, with its weight.
    let n = units.len();
    let mut matrix: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| dot(&units[i], &units[j]) * weight(i) * weight(j)).collect()).collect();
    let values = eigenvalues(&mut matrix);
    let entropy: f64 = values.iter().filter(|x| **x > 1e-15).map(|x| -x * libm::log(*x)).sum();
    Ok(Some(libm::exp(entropy)))
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
