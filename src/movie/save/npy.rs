//! NumPy's `.npy`, version 1.0.

use super::{Plan, Stored, Wrapping};

pub(super) fn wrapping(plan: &Plan) -> Result<Wrapping, String> {
    let descr = match plan.number {
        Stored::F32 => "<f4",
        Stored::U16 => "<u2",
        Stored::U8 => "|u1",
    };
    let (frames, height, width) = (plan.movie.len(), plan.movie.height(), plan.movie.width());
    let shape = format!("({frames}, {height}, {width})");
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // The data begin at a multiple of 64 bytes, after a line end.
    let end = (10 + header.len() + 1).next_multiple_of(64);
    header.extend(std::iter::repeat_n(' ', end - 11 - header.len()));
    header.push('\n');
    let mut before = b"\x93NUMPY\x01\x00".to_vec();
    before.extend((header.len() as u16).to_le_bytes());
    before.extend(header.bytes());
    Ok(Wrapping { before, after: vec![] })
}
