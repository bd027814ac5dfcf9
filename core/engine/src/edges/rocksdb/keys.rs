//! Binary keys of the state on disk: bytes order as the numbers do.

use crate::operator::state::Due;

/// A due key: due, arrival, input.
pub(super) const DUE_LEN: usize = 17;
/// A shard's prefix in the cold tier.
pub(super) const SHARD_LEN: usize = 2;
/// Shard, bucket and key hash: what the prefix filter of the key index covers.
pub(super) const PREFIX_LEN: usize = SHARD_LEN + 8 + 8;
/// … then input, event time and arrival.
pub(super) const INDEX_LEN: usize = PREFIX_LEN + 1 + 8 + 8;

/// A signed number whose big-endian bytes order as the numbers do.
pub(super) fn ordered(n: i64) -> [u8; 8] {
    ((n as u64) ^ (1 << 63)).to_be_bytes()
}

fn unordered(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)) as i64
}

pub(super) fn due_key(due: Due) -> [u8; DUE_LEN] {
    let mut key = [0; DUE_LEN];
    key[..8].copy_from_slice(&ordered(due.due));
    key[8..16].copy_from_slice(&due.arrival.to_be_bytes());
    key[16] = due.input;
    key
}

pub(super) fn parse_due(key: &[u8]) -> Option<Due> {
    let key: &[u8; DUE_LEN] = key.try_into().ok()?;
    let (due, rest) = key.split_first_chunk::<8>()?;
    let (arrival, rest) = rest.split_first_chunk::<8>()?;
    Some(Due { due: unordered(*due), arrival: u64::from_be_bytes(*arrival), input: rest[0] })
}

/// A page's key: its first row's due key, then the epoch of its checkpoint.
pub(super) const PAGE_LEN: usize = DUE_LEN + 8;

pub(super) fn page_key(first: Due, epoch: u64) -> [u8; PAGE_LEN] {
    let mut key = [0; PAGE_LEN];
    key[..DUE_LEN].copy_from_slice(&due_key(first));
    key[DUE_LEN..].copy_from_slice(&epoch.to_be_bytes());
    key
}

/// The first row and the epoch of a page.
pub(super) fn parse_page(key: &[u8]) -> Option<(Due, u64)> {
    let key: &[u8; PAGE_LEN] = key.try_into().ok()?;
    let (due, epoch) = key.split_last_chunk::<8>()?;
    Some((parse_due(due)?, u64::from_be_bytes(*epoch)))
}

pub(super) fn shard_due_key(shard: u16, due: Due) -> [u8; SHARD_LEN + DUE_LEN] {
    let mut key = [0; SHARD_LEN + DUE_LEN];
    key[..SHARD_LEN].copy_from_slice(&shard.to_be_bytes());
    key[SHARD_LEN..].copy_from_slice(&due_key(due));
    key
}

/// The key index's prefix of one key in one bucket.
pub(super) fn index_prefix(shard: u16, bucket: i64, hash: u64) -> [u8; PREFIX_LEN] {
    let mut key = [0; PREFIX_LEN];
    key[..2].copy_from_slice(&shard.to_be_bytes());
    key[2..10].copy_from_slice(&ordered(bucket));
    key[10..].copy_from_slice(&hash.to_be_bytes());
    key
}

pub(super) fn index_key(
    prefix: &[u8; PREFIX_LEN],
    input: u8,
    time: i64,
    arrival: u64,
) -> [u8; INDEX_LEN] {
    let mut key = [0; INDEX_LEN];
    key[..PREFIX_LEN].copy_from_slice(prefix);
    key[PREFIX_LEN] = input;
    key[PREFIX_LEN + 1..PREFIX_LEN + 9].copy_from_slice(&ordered(time));
    key[PREFIX_LEN + 9..].copy_from_slice(&arrival.to_be_bytes());
    key
}

/// The arrival at the end of an index key.
pub(super) fn index_arrival(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk::<8>()?))
}

/// The first key of `shard`, and of `bucket` in it.
pub(super) fn bucket_start(shard: u16, bucket: i64) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&shard.to_be_bytes());
    key[2..].copy_from_slice(&ordered(bucket));
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_their_parts_do() {
        let numbers = [i64::MIN, -1_000, -1, 0, 1, 255, 256, i64::MAX];
        let mut dues = Vec::new();
        for due in numbers {
            for arrival in [0, 1, u64::MAX] {
                for input in [0, 63] {
                    dues.push(Due { due, arrival, input });
                }
            }
        }
        dues.sort_unstable();
        let keys: Vec<_> = dues.iter().map(|d| due_key(*d)).collect();
        assert!(keys.is_sorted());
        let mut all = Vec::new();
        for (due, key) in dues.iter().zip(&keys) {
            assert_eq!(parse_due(key), Some(*due));
            all.push(key.to_vec());
            for epoch in [0, 1, u64::MAX] {
                let page = page_key(*due, epoch);
                assert_eq!((parse_page(&page), parse_due(&page)), (Some((*due, epoch)), None));
                all.push(page.to_vec());
            }
            assert_eq!(parse_page(key), None);
        }
        assert!(all.is_sorted());
        assert_eq!(parse_due(&keys[0][1..]), None);
    }
}
