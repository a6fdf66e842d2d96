//! What the probe sees: columns of atoms, wherever they stand.

/// One column of atoms seen along the beam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// Position in nanometres from the centre of the specimen, downwards; relaxations included, drift not.
    pub y_nm: f64,
    /// The same to the right.
    pub x_nm: f64,
    /// Atomic numbers of the column's atoms; 0 where there is none (`[16, 16, 0]` is a pair of S, `[16, 0, 0]` a V_S).
    pub atoms: [u8; 3],
}
