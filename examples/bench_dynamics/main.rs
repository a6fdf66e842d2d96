//! What `cargo lab bench dynamics` runs of ours (`peers/bench_dynamics.py`), on the data that it gives the others, too.
//!
//! `link FOLDER` and `hmm FOLDER` read what the peers wrote, `movie SEED DOSE HOPS` measures detection in space and time on
//! one simulated movie, `tracks SEED SETS FOLDER` classification by tracks. The last line that each prints is JSON.

mod back;
mod hmm;
mod link;
mod movie;
mod physics;
mod specimen;
mod tracks;
mod watched;

use atomotion::Error;
use std::path::Path;

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let text = |i: usize| args.get(i).map_or("", String::as_str);
    let number = |i: usize| text(i).parse::<f64>().map_err(|_| Error::Data(format!("{:?} is no number", text(i))));
    let said = match text(0) {
        "link" => link::link(Path::new(text(1)))?,
        "hmm" => hmm::hmm(Path::new(text(1)))?,
        "movie" => movie::movie(number(1)? as u64, number(2)?, number(3)?)?,
        "watch" => movie::watch(number(1)? as u64, number(2)?, number(3)?)?,
        "back" => back::back(number(1)? as u64, number(2)?)?,
        "tracks" => tracks::tracks(number(1)? as u64, number(2)? as u64, Path::new(text(3)))?,
        "physics" => physics::physics(number(1)? as u64, number(2)? as u64)?,
        _ => return Err(Error::Data("say link, hmm, movie, tracks or physics, with what they need".into())),
    };
    println!("{said}");
    Ok(())
}

fn read(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default())).collect()
}

fn write(path: &Path, values: impl Iterator<Item = f64>) -> Result<(), Error> {
    let bytes: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
    std::fs::write(path, bytes).map_err(|problem| Error::Data(format!("{}: {problem}", path.display())))
}
