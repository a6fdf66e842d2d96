//! The few elements that these lattices, their dopants and their adatoms are made of.

use crate::error::{Error, Result};
use std::cmp::Ordering;

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
pub(crate) fn symbol(z: u8) -> &'static str {
    find(z).map_or("?", |element| element.1)
}

/// The atom's mass.
pub(super) fn mass_u(z: u8) -> Result<f64> {
    find(z).map(|element| element.2).ok_or_else(|| {
        let known: Vec<String> = ELEMENTS.iter().map(|(z, symbol, _)| format!("{z} ({symbol})")).collect();
        Error::data(format!("atomic number {z} is none that the simulation knows: {}", known.join(", ")))
    })
}

/// How bright a species is beside the perfect column: less for `V_S` and `Mo_W`, greater for `W_ad` and `W_2S`. Of a
/// complex such as `Mo_W+V_S/1` it is what stands on the site that counts. None for names that are not understood.
pub(crate) fn brightness_of_species(species: &str) -> Option<Ordering> {
    let (what, site) = species.split(['+', '@', '/']).next()?.split_once('_')?;
    match (what, site) {
        ("V", _) => return Some(Ordering::Less),
        (_, "ad") => return Some(Ordering::Greater),
        _ => {}
    }
    let intensity = |name: &str| {
        let element = ELEMENTS.iter().find(|element| element.1 == name)?;
        Some(libm::pow(f64::from(element.0), 1.7))
    };
    let host = site.trim_start_matches(|c: char| c.is_ascii_digit());
    let count: f64 = if host.len() < site.len() { site[..site.len() - host.len()].parse().ok()? } else { 1.0 };
    intensity(what)?.partial_cmp(&(count * intensity(host)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn species_are_darker_or_brighter() {
        for dark in ["Mo_W", "V_S", "V_2S", "V_W", "Mo_W+V_S/1", "V_2S@Mo_W", "V_C", "S_W"] {
            assert_eq!(brightness_of_species(dark), Some(Ordering::Less), "{dark}");
        }
        for bright in ["W_ad", "W_2S", "Si_C", "W_Mo", "Se_S"] {
            assert_eq!(brightness_of_species(bright), Some(Ordering::Greater), "{bright}");
        }
        for unknown in ["", "dust", "Xx_W", "W_"] {
            assert_eq!(brightness_of_species(unknown), None, "{unknown}");
        }
    }
}
