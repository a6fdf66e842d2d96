//! Makes damaged files out of valid ones. Deterministic: the same seed gives the same files.

/// Gives every chunk of a PNG the checksum that it should have.
fn right_checksums(file: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = file.get(at..at + 4) {
        let length = length.iter().fold(0_usize, |all, &b| all << 8 | usize::from(b));
        let end = at + 8 + length;
        if end + 4 > file.len() {
            return;
        }
        let mut checksum = flate2::Crc::new();
        checksum.update(&file[at + 4..end]);
        file[end..end + 4].copy_from_slice(&checksum.sum().to_be_bytes());
        at = end + 4;
    }
}

/// Values that are often not thought of.
const CORNERS: [u64; 18] = [
    0,
    1,
    2,
    3,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

pub struct Damage {
    state: u64,
    seeds: Vec<Vec<u8>>,
}

impl Damage {
    pub fn new(seed: u64, seeds: Vec<Vec<u8>>) -> Damage {
        Damage { state: seed, seeds }
    }

    pub fn seeds(&self) -> &[Vec<u8>] {
        &self.seeds
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: usize) -> usize {
        (self.random() % n.max(1) as u64) as usize
    }

    /// A place in a file. Half of them among the first bytes, where headers are.
    fn place(&mut self, length: usize) -> usize {
        let within = match self.below(4) {
            0 => length.min(64),
            1 => length.min(1200),
            _ => length,
        };
        self.below(within)
    }

    pub fn next(&mut self) -> Vec<u8> {
        let which = self.below(self.seeds.len());
        let mut file = self.seeds[which].clone();
        for _ in 0..1 + self.below(4) * self.below(4) {
            self.once(&mut file);
        }
        // Most damage to a PNG is caught by its checksums, which hides what lies behind them.
        if file.starts_with(b"\x89PNG") && self.below(4) > 0 {
            right_checksums(&mut file);
        }
        file
    }

    fn once(&mut self, file: &mut Vec<u8>) {
        if file.is_empty() {
            file.push(0);
        }
        let at = self.place(file.len());
        match self.below(12) {
            0 => file[at] ^= 1 << self.below(8),
            1 => file[at] = self.random() as u8,
            2..=4 => self.corner(file, at),
            5 => file[at] = file[at].wrapping_add(1),
            6 => file[at] = file[at].wrapping_sub(1),
            7 => {
                let length = if self.below(2) == 0 { at } else { self.below(file.len()) };
                file.truncate(length);
            }
            8 => {
                let count = 1 + self.below(16);
                let end = (at + count).min(file.len());
                file.drain(at..end);
            }
            9 => {
                let from = self.below(file.len());
                let count = (1 + self.below(32)).min(file.len() - from);
                let copied = file[from..from + count].to_vec();
                file.splice(at..at, copied);
            }
            10 => self.copy_over(file, at),
            _ => self.address(file, at),
        }
    }

    /// A corner value, of any size and byte order.
    fn corner(&mut self, file: &mut [u8], at: usize) {
        let value = CORNERS[self.below(CORNERS.len())];
        let bytes = 1 << self.below(4);
        self.write(file, at, value, bytes);
    }

    /// A place in the file itself, as an offset is: makes circles.
    fn address(&mut self, file: &mut [u8], at: usize) {
        let value = self.below(file.len()) as u64;
        let bytes = [2, 4, 8][self.below(3)];
        self.write(file, at, value, bytes);
    }

    fn write(&mut self, file: &mut [u8], at: usize, value: u64, bytes: usize) {
        let mut raw = value.to_le_bytes()[..bytes].to_vec();
        if self.below(2) == 0 {
            raw.reverse();
        }
        for (to, from) in file[at..].iter_mut().zip(raw) {
            *to = from;
        }
    }

    /// A part of another valid file.
    fn copy_over(&mut self, file: &mut [u8], at: usize) {
        let which = self.below(self.seeds.len());
        let from = self.below(self.seeds[which].len());
        let count = 1 + self.below(64);
        let part: Vec<u8> = self.seeds[which].iter().skip(from).take(count).copied().collect();
        for (to, byte) in file[at..].iter_mut().zip(part) {
            *to = byte;
        }
    }
}
