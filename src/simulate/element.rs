//! The few elements that these lattices, their dopants and their adatoms are made of.

use crate::error::{Error, Result};

/// Atomic number, symbol, and standard atomic weight in unified atomic mass units (IUPAC 2021, abridged).
const ELEMENTS: [(u8, &str, f64); 16] = [
    (5, "B", 10.81),
    (6, "C", 12.011),
    (7, "N", 14.007),
    (8, "O", 15.999),
    (14, "Si", 28.085),
    (16, "S", 32.06),
    (23, "V", 50.942),
    (24, "Cr", 51.996),
    (26, "Fe", 55.845),
    (34, "Se", 78.971),
    (41, "Nb", 92.906),
    (42, "Mo", 95.95),
    (52, "Te", 127.60),
    (74, "W", 183.84),
    (75, "Re", 186.21),
    (79, "Au", 196.97),
];

fn find(z: u8) -> Option<&'static (u8, &'static str, f64)> {
    ELEMENTS.iter().find(|element| element.0 == z)
}

/// "W" for 74; "?" for what [`mass_u`] refuses.
pub(super) fn symbol(z: u8) -> &'static str {
    find(z).map_or("?", |element| element.1)
}

/// The atom's mass.
pub(super) fn mass_u(z: u8) -> Result<f64> {
    find(z).map(|element| element.2).ok_or_else(|| {
        let known: Vec<String> = ELEMENTS.iter().map(|(z, symbol, _)| format!("{z} ({symbol})")).collect();
        Error::data(format!("atomic number {z} is none that the simulation knows: {}", known.join(", ")))
    })
}
