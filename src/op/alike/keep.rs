//! Which row of a cluster is kept.

/// Returns for each row the row that is kept of its cluster.
///
/// The first `others` rows are of other datasets: of a cluster that has one of these, the first of them is kept, which is to say that none of our own is.
/// Otherwise it is the one with the largest rank, if there are ranks for the rows after `others`, and of these the first.
pub fn keep(mut clusters: Vec<u32>, others: usize, ranks: Option<impl Iterator<Item = i64>>) -> Vec<u32> {
    let Some(ranks) = ranks else { return clusters };
    let ranks: Vec<i64> = ranks.collect();
    let mut best: Vec<u32> = (0..clusters.len() as u32).collect();
    for row in others..clusters.len() {
        let first = clusters[row] as usize;
        if first >= others && ranks[row - others] > ranks[best[first] as usize - others] {
            best[first] = row as u32;
        }
    }
    clusters.iter_mut().for_each(|cluster| *cluster = best[*cluster as usize]);
    clusters
}
