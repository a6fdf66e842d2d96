//! Figures beside stored references: what a reader of the notebooks sees does not change unnoticed.
//!
//! All of them come from the truth of `ws2-tiny`, so that no training, whose last digits depend on the processor, is in
//! them. `ATOMOTION_BLESS=1 cargo test --test reference_figures` stores what is drawn now; look at the pictures first.

use atomotion::prelude::*;
use std::path::{Path, PathBuf};

/// A picture's pixels: shades from 0 to 255, width and height.
struct Picture {
    shades: Vec<u8>,
    width: u32,
    height: u32,
}

impl Picture {
    fn read(bytes: &[u8]) -> Picture {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let channels = info.color_type.samples();
        let colours = channels.min(3);
        let shades = pixels.chunks(channels).flat_map(|pixel| pixel[..colours].iter().copied()).collect();
        Picture { shades, width: info.width, height: info.height }
    }

    /// Where the two differ, darker the more; white where they agree.
    fn difference(&self, other: &Picture) -> Vec<u8> {
        self.shades.iter().zip(&other.shades).map(|(a, b)| 255 - a.abs_diff(*b)).collect()
    }
}

/// What is wrong with a picture, if anything: size, the mean difference, or too many pixels that differ much.
///
/// Last digits differ between processors: an edge moves by a hundredth of a pixel, a shade by one. Mean differences of
/// half a shade and large ones (a fifth of the range) in one pixel of 500 are more than that, and less than a label that
/// moved or a colour that changed.
fn wrong(now: &Picture, before: &Picture) -> Option<String> {
    if (now.width, now.height) != (before.width, before.height) {
        return Some(format!("{} x {} pixels, not {} x {}", now.width, now.height, before.width, before.height));
    }
    let apart = || now.shades.iter().zip(&before.shades).map(|(a, b)| a.abs_diff(*b));
    let mean = apart().map(f64::from).sum::<f64>() / now.shades.len() as f64;
    let large = apart().filter(|d| *d > 51).count() as f64 / now.shades.len() as f64;
    (mean > 0.5 || large > 0.002)
        .then(|| format!("mean difference {mean:.2} of 255, {:.2} % differ much", 100.0 * large))
}

fn in_clone(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn figures() -> Vec<(&'static str, Figure)> {
    let movie = Movie::dataset("ws2-tiny").unwrap();
    let truth = dataset_truth("ws2-tiny").unwrap();
    let first = movie.frame(0).unwrap();
    let labels = PeriodicityBreak::default().label(&first).unwrap();
    let defects = Defects::at_truth(&movie, &truth, &Cut::default()).unwrap();
    let classes = KMeans::new(3).fit(&defects).unwrap();
    let tracks = Tracks::of(&truth).unwrap();
    let dopants = defects.query(|rows| rows.filter(col("species").eq(lit("Mo_W")))).unwrap();
    let coupled = Coupling::default().with_draws(39).between(&truth, "Mo_W", "V_S").unwrap();
    let states = States::of(&Matter::ws2().crystal).lumped();
    let chain = Physics::of(&Matter::ws2(), &states).chain(5.0).unwrap();
    vec![
        ("movie", movie.figure().unwrap()),
        ("labels", labels.figure()),
        ("decoded", classes.defects.figure(&first).unwrap()),
        ("classes", classes.figure()),
        ("dendrogram", defects.dendrogram(Linkage::Ward).unwrap().figure(3).unwrap()),
        ("components", Pca::new(4).fit(&defects).unwrap().patches_figure()),
        ("concentration", concentration(&truth).unwrap().figure()),
        ("tracks", tracks.kinds_figure().unwrap()),
        ("msd", tracks.msd(5).unwrap().figure()),
        ("coupling", coupled.figure()),
        ("transitions", chain.figure()),
        ("pathways", chain.graph(&states, 1e-3)),
        ("cell", UnitCells::default().average(&dopants).unwrap().figure()),
    ]
}

#[test]
fn figures_are_those_that_were_looked_at() {
    let bless = std::env::var_os("ATOMOTION_BLESS").is_some();
    let differences = in_clone(".atomotion/test/differences");
    let mut problems = vec![];
    for (name, figure) in figures() {
        let bytes = figure.to_png(1.0).unwrap();
        let path = in_clone(&format!("tests/data/figures/{name}.png"));
        if bless {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
            continue;
        }
        let stored = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (now, before) = (Picture::read(&bytes), Picture::read(&stored));
        if let Some(problem) = wrong(&now, &before) {
            std::fs::create_dir_all(&differences).unwrap();
            std::fs::write(differences.join(format!("{name}.now.png")), &bytes).unwrap();
            if now.shades.len() == before.shades.len() {
                let mut file = vec![];
                let mut encoder = png::Encoder::new(&mut file, now.width, now.height);
                encoder.set_color(png::ColorType::Rgb);
                encoder.write_header().unwrap().write_image_data(&now.difference(&before)).unwrap();
                std::fs::write(differences.join(format!("{name}.difference.png")), &file).unwrap();
            }
            problems.push(format!("{name}: {problem}"));
        }
    }
    assert!(
        problems.is_empty(),
        "{}\nThe pictures and their differences are in {}. Where they are right, store them: \
         ATOMOTION_BLESS=1 cargo test --test reference_figures",
        problems.join("\n"),
        differences.display()
    );
}

/// The comparison sees what a reader would, and does not see what one would not.
#[test]
fn a_changed_picture_is_noticed() {
    let chain = |p: f64| {
        let names = vec!["a".into(), "b".into()];
        Chain::new(names, array![[1.0 - p, p], [0.5, 0.5]], 5.0).unwrap().figure().to_png(1.0).unwrap()
    };
    let (one, other) = (Picture::read(&chain(0.1)), Picture::read(&chain(0.001)));
    assert_eq!(wrong(&one, &one), None);
    assert!(wrong(&one, &other).is_some());
    let mut faint = Picture::read(&chain(0.1));
    faint.shades.iter_mut().step_by(3).for_each(|shade| *shade = shade.saturating_sub(1));
    assert_eq!(wrong(&one, &faint), None);
}
