//! How RocksDB is set up, and how much memory it may use.

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DBCompressionType, Options, SliceTransform,
    WriteBufferManager,
};

use super::keys::PREFIX_LEN;

/// How state rests on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Bytes that RocksDB may use for blocks, indices, filters and memtables;
    /// raised to [`StoreOptions::LEAST_MEMORY`].
    pub memory: usize,
    /// How long a row rests, about, in ms of event time, out-of-orderness included:
    /// a quarter of it is what the cold tier drops at once.
    pub retention_ms: i64,
}

impl StoreOptions {
    /// Below this RocksDB would only shuffle blocks.
    pub const LEAST_MEMORY: usize = 8 << 20;

    /// RocksDB's part of a whole budget (`--memory`): an eighth.
    #[must_use]
    pub fn for_budget(budget: u64, retention_ms: i64) -> Self {
        let part = usize::try_from(budget / 8).unwrap_or(usize::MAX);
        Self { memory: part.clamp(Self::LEAST_MEMORY, 1 << 30), retention_ms }
    }
}

/// Tables of the memory tier's rows that may overlap before they are put together:
/// a restore reads as many at once.
const RESTING: i32 = 48;

/// What both databases of a run share.
pub(super) struct Tuning {
    cache: Cache,
    buffers: WriteBufferManager,
    memory: usize,
}

impl Tuning {
    pub fn new(options: StoreOptions) -> Self {
        let memory = options.memory.max(StoreOptions::LEAST_MEMORY);
        let cache = Cache::new_lru_cache(memory);
        // Memtables are charged to the cache: one bound for everything.
        let buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
            memory / 2,
            false,
            cache.clone(),
        );
        Self { cache, buffers, memory }
    }

    pub fn memory(&self) -> usize {
        self.memory
    }

    pub fn database(&self) -> Options {
        let mut options = self.common();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_write_buffer_manager(&self.buffers);
        options.set_max_open_files(256);
        options.set_max_background_jobs(2);
        options.set_keep_log_file_num(2);
        options.set_log_level(rocksdb::LogLevel::Warn);
        options.set_max_manifest_file_size(4 << 20);
        options
    }

    /// Rows by due: read in order, from the front.
    pub fn by_due(&self) -> Options {
        let mut options = self.common();
        options.set_block_based_table_factory(&self.blocks());
        options
    }

    /// The memory tier's rows by due, as checkpoints left them. Nobody reads them
    /// while the run goes on, and most fall behind the watermark before long: they
    /// are put together seldom.
    pub fn resting(&self) -> Options {
        let mut options = self.by_due();
        options.set_level_zero_file_num_compaction_trigger(RESTING);
        options.set_level_zero_slowdown_writes_trigger(4 * RESTING);
        options.set_level_zero_stop_writes_trigger(6 * RESTING);
        options
    }

    /// The key index: most questions are about keys that are not there.
    pub fn by_key(&self) -> Options {
        let mut options = self.common();
        let mut blocks = self.blocks();
        blocks.set_bloom_filter(10.0, false);
        blocks.set_whole_key_filtering(false);
        // In parts: one filter of a table would fill a shard of a small cache,
        // and every probe would read it anew.
        blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        blocks.set_partition_filters(true);
        blocks.set_pin_top_level_index_and_filter(true);
        options.set_block_based_table_factory(&blocks);
        options.set_prefix_extractor(SliceTransform::create_fixed_prefix(PREFIX_LEN));
        options.set_memtable_prefix_bloom_ratio(0.1);
        options
    }

    fn common(&self) -> Options {
        let mut options = Options::default();
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size((self.memory / 8).clamp(1 << 20, 32 << 20));
        options.set_target_file_size_base(16 << 20);
        options
    }

    fn blocks(&self) -> BlockBasedOptions {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&self.cache);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_block_size(16 << 10);
        blocks
    }
}
