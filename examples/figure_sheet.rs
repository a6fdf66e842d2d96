//! Every kind of figure, drawn from simulated data into a folder, in each theme and at both widths of a column.
//!
//! ```text
//! cargo run --example figure_sheet -- figures     # or, with so many dots per inch of the PNGs: -- figures 300
//! ```

use atomotion::prelude::*;
use std::path::Path;

/// All kinds of figures, with their names; players and animations go to the folder.
fn figures(folder: &Path) -> Result<Vec<(&'static str, Figure)>, Error> {
    let mut experiment = Experiment::ws2();
    experiment.imaging.size_px = 160;
    experiment.frames = 16;
    let recording = experiment.simulate(7)?;
    let (movie, truth) = (&recording.movie, &recording.truth);
    let frame = movie.frame(0)?;
    let labels = PeriodicityBreak::default().label(&frame)?;
    let defects = Defects::at_truth(movie, truth, &Cut::default())?.query(|rows| {
        let inside = |name: &str| col(name).gt(lit(0.6)).and(col(name).lt(lit(4.4)));
        rows.filter(inside("y_nm").and(inside("x_nm")))
    })?;
    let classes = KMeans::new(4).fit(&defects)?;
    let components = Pca::new(6).fit(&defects)?;
    let tracks = Linker::default().link(&truth.drop("track")?)?;
    let animation = movie.animation().with_defects(&classes.defects)?.with_tracks(&tracks, 5)?;
    animation.save(folder.join("animation.gif"))?;
    animation.save(folder.join("animation.apng"))?;
    write(&folder.join("player.html"), &animation.to_html()?)?;
    write(&folder.join("player-plain.html"), &movie.animation().with_side_px(200).to_html()?)?;
    let chain = Physics::of(&Matter::ws2(), &States::of(&Matter::ws2().crystal).lumped()).chain(5.0)?;
    let states = States::of(&Matter::ws2().crystal).lumped();
    let estimate = concentration(truth)?;
    let msd = tracks.msd(8)?;
    // What other programs draw beside ours (peers/figure_pairs.py).
    movie.save(folder.join("movie.npy"))?;
    write_parquet(classes.defects.table(), folder.join("defects.parquet"))?;
    write_parquet(&estimate.table()?, folder.join("concentration.parquet"))?;
    write_parquet(&msd.table()?, folder.join("msd.parquet"))?;
    write_parquet(tracks.table(), folder.join("tracks.parquet"))?;
    let n = chain.names.len();
    let names = |of: &dyn Fn(usize) -> usize| (0..n * n).map(|i| chain.names[of(i)].clone()).collect::<Vec<_>>();
    let p: Vec<f64> = chain.probabilities.iter().copied().collect();
    write_parquet(
        &df!("from" => names(&|i| i / n), "to" => names(&|i| i % n), "p" => p)?,
        folder.join("chain.parquet"),
    )?;
    let mut all = vec![
        ("movie", movie.figure()?),
        ("frame", frame.figure()),
        ("labels", labels.figure()),
        ("strain", labels.strain()?.figure()),
        ("training", Training::default().examples(&labels, 8)?),
        ("recording", recording.figure(3)?),
        ("species", recording.counts_figure()?),
        ("defects", defects.figure(&frame)?),
        ("counts", defects.counts_figure()?),
        ("classes", classes.figure()),
        ("tree", defects.dendrogram(Linkage::Ward)?.figure(4)?),
        ("number", HowMany::default().with_most(5).fit(&defects)?.figure()),
        ("variance", components.figure()),
        ("components", components.patches_figure()),
        ("concentration", estimate.figure()),
        ("tracks", tracks.figure()?),
        ("tracks-over", tracks.over(&frame)?),
        ("tracks-kinds", tracks.kinds_figure()?),
        ("space-time", tracks.space_time_figure()?),
        ("msd", msd.figure()),
        ("coupling", Coupling::default().with_draws(99).between(truth, "Mo_W", "V_S")?.figure()),
        ("matrix", chain.figure()),
        ("graph", chain.graph(&states, 1e-4)),
    ];
    let lattice = Lattice::find(&frame.data)?;
    let roses = tracks.hops(&Hopping::on_lattice(&lattice, movie.calibration()))?.figures();
    all.extend(roses.into_iter().take(1).map(|rose| ("hops", rose)));
    let pair = [all[6].1.clone(), all[14].1.clone()];
    all.push((
        "grid",
        Figure::grid(&[all[1].1.clone(), all[7].1.clone(), pair[0].clone(), pair[1].clone()], 2)?.with_letters(),
    ));
    all.push(("shared", pair[0].above(&pair[0])?.with_shared_axes().with_letters()));
    all.push(("inset", all[2].1.with_inset(&all[8].1, InsetAt::TopRight, 0.5)?));
    Ok(all)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|e| Error::Figure(format!("{}: {e}", path.display())))
}

fn main() -> Result<(), Error> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "figures".into());
    let folder = Path::new(&folder);
    let dpi = std::env::args().nth(2).and_then(|word| word.parse().ok()).unwrap_or(144.0);
    std::fs::create_dir_all(folder).map_err(|e| Error::Figure(format!("{}: {e}", folder.display())))?;
    for (name, figure) in figures(folder)? {
        let variants = [
            ("light", figure.clone().with_theme(Theme::Light)),
            ("dark", figure.clone().with_theme(Theme::Dark)),
            ("single", figure.clone().with_theme(Theme::Print).with_width(Width::Single)),
            ("double", figure.clone().with_theme(Theme::Print).with_width(Width::Double)),
        ];
        for (variant, figure) in variants {
            figure.save_png(folder.join(format!("{name}-{variant}.png")), dpi)?;
            figure.save(folder.join(format!("{name}-{variant}.svg")))?;
            figure.save(folder.join(format!("{name}-{variant}.pdf")))?;
            let smallest = figure.smallest_text_pt()?.unwrap_or(f64::NAN);
            println!("{name} {variant}: {:?} pixels, smallest text {smallest:.1} pt", figure.size());
        }
    }
    Ok(())
}
