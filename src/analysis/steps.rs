//! The steps of an analysis, each with what it adds to the results.

use super::keep::Kept;
use super::{Analysis, Material, Results, kinds, perfect_cells};
use crate::classify::{Classes, Linkage, UnitCells};
use crate::defects::Defects;
use crate::detect::{Lattice, PeriodicityBreak};
use crate::dynamics::{Concentration, Coupling, Hopping, Linker, Motion, Sightings, Tracks, complexes};
use crate::error::{Error, Result};
use crate::markov::{Estimate, Estimation, Physics, Sequences, States};
use crate::movie::Movie;
use crate::watch::{Watch, Watched};
use polars::prelude::{IntoLazy, col, lit};
use std::path::Path;

/// What the steps after the search share.
struct Found<'a> {
    movie: &'a Movie,
    lattice: Lattice,
    /// Those that hold more than noise gives.
    classes: Classes,
    /// Names of the kinds, the commonest first, and their numbers.
    kinds: Vec<(String, usize)>,
    /// Every defect, with those of classes that noise may give.
    all: Defects,
    analysis: &'a Analysis,
}

pub(super) fn run(analysis: &Analysis, movie: &Movie, folder: &Path, say: &mut dyn FnMut(&str)) -> Result<Results> {
    say("reading the movie");
    let movie = &match analysis.material {
        Some(material) => material.calibrated(movie.clone())?, // by its lattice, where the file has no scale
        None => movie.clone(),
    };
    let kept = Kept::begin(folder, analysis, movie)?;
    let mut results = Results::create(folder, &format!("Analysis of {}", movie.name()))?;
    results.described(kept.input.clone());
    results.options(serde_json::to_value(analysis).map_err(|e| Error::data(e.to_string()))?);
    results.heading("The movie and its labels");
    results.figure("movie", "First, middle and last frame.", &movie.figure()?)?;

    say("labels: what breaks the lattice of frame 0");
    let first = movie.frame(0)?;
    let labels = PeriodicityBreak::default().with_threshold(analysis.threshold).label(&first)?;
    results.words(format!("{labels:?}"));
    results.figure("labels", "Labels of frame 0: what stands out of its lattice.", &labels.figure())?;
    say(&format!("  {} labels; noise alone would give {:.1}", labels.len(), labels.expected_false));

    say("training, or what is left of it");
    let detector = kept.detector(&labels, analysis)?;
    results.figure("training", "Loss of the training.", &detector.figure())?;

    say("finding the defects of every frame");
    let defects = kept.defects(&detector, movie, analysis)?;
    kept.files().iter().for_each(|file| results.other(file));
    results.heading("Defects");
    results.words(defects.summary());
    say(&format!("  {}", defects.summary()));
    results.table("defects", "Every defect.", defects.table())?;
    if defects.is_empty() {
        results.words("Nothing was found, so that there is nothing to sort and to follow.");
        results.finish()?;
        return Ok(results);
    }
    results.figure("counts", "Defects in each frame.", &defects.counts_figure()?)?;
    if let Some(areas) = defects.areas() {
        results.figure("areas", "Area that is no lattice any more.", &areas.figure())?;
        results.table("areas", "Lattice, holes and amorphous area of each frame.", &areas.table()?)?;
    }

    say("sorting them into classes");
    let lattice = labels.lattice.clone();
    let patches = kinds::comparable_patches(&defects, movie, &lattice)?;
    let classes = kinds::sorted(&patches, analysis.classes, analysis.material, movie, &lattice, analysis.seed)?;
    let doubtful = add_classes(&mut results, movie, &classes, &patches)?;
    doubtful.iter().for_each(|words| say(&format!("  {words}")));
    let all = classes.defects.clone();
    let classes = classes.findings()?;
    let kinds = kinds::commonest(&classes);
    let found = Found { movie, lattice, classes, kinds, all, analysis };
    if found.classes.is_empty() {
        results.words("No class holds more than noise may give: none is followed from frame to frame.");
    } else {
        followed(&mut results, &found, say)?;
    }
    // Graphene's columns are single atoms, which may hop themselves: nothing is known to stay.
    if let Some(material @ (Material::Ws2 | Material::Mos2)) = analysis.material {
        say("every site, by all frames together");
        let seen = attempt(&mut results, say, "Every site, by all frames together", |results| {
            watched(results, &found, material)
        })?;
        if let Some(seen) = seen {
            attempt(&mut results, say, "Diffusion, by all frames together", |results| {
                let (still, how) = on_specimen(&linked(seen.table(), &found.lattice)?);
                results.words(how);
                diffusion(results, &found, &still, "watched-")
            })?;
            attempt(&mut results, say, "Complexes", |results| changes(results, &found, material, &seen))?;
        }
    }
    results.finish()?;
    Ok(results)
}

/// What the detections of single frames say of each kind, in time and space.
fn followed(results: &mut Results, found: &Found, say: &mut dyn FnMut(&str)) -> Result<()> {
    say("concentrations");
    attempt(results, say, "Concentrations", |results| concentrations(results, found))?;
    say("tracks, diffusion and hops");
    let tracks = attempt(results, say, "Tracks", |results| tracks(results, found))?;
    if let Some(tracks) = tracks {
        let (still, how) = on_specimen(&tracks);
        attempt(results, say, "Diffusion", |results| {
            results.words(how);
            diffusion(results, found, &still, "")
        })?;
        attempt(results, say, "Hops", |results| hops(results, found, &still))?;
        say("coupling");
        attempt(results, say, "Coupling", |results| coupling(results, found, &tracks))?;
        say("transitions");
        attempt(results, say, "Transitions", |results| transitions(results, found, &tracks))?;
    }
    say("the average cell");
    attempt(results, say, "The average cell", |results| cell(results, found))?;
    Ok(())
}

/// One step. Data that do not suffice for it are no failure of the rest: the report says what was not done, and why.
fn attempt<T>(
    results: &mut Results,
    say: &mut dyn FnMut(&str),
    what: &str,
    step: impl FnOnce(&mut Results) -> Result<T>,
) -> Result<Option<T>> {
    results.heading(what);
    match step(results) {
        Ok(value) => Ok(Some(value)),
        Err(Error::Data(why)) => {
            results.words(format!("Not done: {why}."));
            say(&format!("  not done: {why}"));
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// All classes, and those that are left out from there on, because noise may give as many: a sentence for each.
fn add_classes(results: &mut Results, movie: &Movie, classes: &Classes, patches: &Defects) -> Result<Vec<String>> {
    results.heading("Kinds of defect");
    let caption = "Mean patch of each class, how much its members vary, and what the same classes make of frames without \
                   defects: that many of a class may be noise.";
    results.figure("classes", caption, &classes.figure())?;
    results.table("classes", "How many defects each class has, and how many noise alone gives.", &classes.table()?)?;
    results.table("classified", "Every defect with its class and name.", classes.defects.table())?;
    let doubtful = (0..classes.len() as u32).filter_map(|c| {
        let noise = classes.noise(c).ok()??;
        let name = classes.species[c as usize].as_ref().map_or_else(|| format!("Class {c}"), |n| n.species.clone());
        let n = classes.counts[c as usize];
        (!noise.finding).then(|| {
            format!("{name}: {n} detections, where noise alone may give as many ({}): not followed", noise.range())
        })
    });
    let doubtful: Vec<String> = doubtful.collect();
    doubtful.iter().for_each(|words| results.words(format!("{words}.")));
    if classes.len() > 1 {
        let tree = patches.dendrogram(Linkage::Ward)?;
        results.figure("dendrogram", "How alike the patches are (Ward).", &tree.figure(classes.len())?)?;
    }
    for (name, frame) in [("decoded-first", 0), ("decoded-last", movie.len() - 1)] {
        let frame = movie.frame(frame)?;
        let caption = format!("Frame {} with its defects, coloured by class.", frame.index);
        results.figure(name, &caption, &classes.defects.figure(&frame)?)?;
    }
    Ok(doubtful)
}

fn concentrations(results: &mut Results, found: &Found) -> Result<()> {
    let options = Concentration::default().with_seed(found.analysis.seed).with_frames(Some(found.movie.len() as u32));
    let amounts = options.of(&found.classes)?;
    results.words(format!("{amounts:?}"));
    results.figure("concentration", "Concentration of each kind in time, with its 95 % band.", &amounts.figure())?;
    results.table("concentration", "The same in numbers.", &amounts.table()?)
}

/// Which defects of successive frames are one.
fn linked(of: &impl Sightings, lattice: &Lattice) -> Result<Tracks> {
    let period = lattice.period_px;
    // To the next site of the same sublattice, and what positions are wrong by; a dopant is not taken for the vacancy beside it.
    let linker = Linker::default().with_search_px(1.2 * period).with_motion(Motion::Common);
    linker.with_class_px2(0.6 * period.powi(2)).link(of)
}

fn tracks(results: &mut Results, found: &Found) -> Result<Tracks> {
    let tracks = linked(&found.classes, &found.lattice)?;
    results.words(format!("{tracks:?}"));
    results.figure("tracks", "Where each defect went.", &tracks.kinds_figure()?)?;
    results.table("tracks", "Each track.", &tracks.per_track()?)?;
    results.table("followed", "Every defect with its track.", tracks.table())?;
    Ok(tracks)
}

/// Tracks on the specimen, where there are enough of them to tell how it drifts, and what displacements then are.
fn on_specimen(tracks: &Tracks) -> (Tracks, String) {
    match tracks.without_common_motion() {
        Ok(still) => (still, "The motion that all share is taken out of displacements.".into()),
        Err(problem) => (tracks.clone(), format!("Drift is in these displacements: {problem}.")),
    }
}

/// What is written has names that begin with `of`.
fn diffusion(results: &mut Results, found: &Found, tracks: &Tracks, of: &str) -> Result<()> {
    let lags = (found.movie.len() as u32).saturating_sub(1).clamp(1, 20);
    let msd = tracks.msd(lags)?;
    results.figure(&format!("{of}msd"), "Mean squared displacement of each kind.", &msd.figure())?;
    results.table(&format!("{of}msd"), "The same in numbers.", &msd.table()?)?;
    let diffusion = tracks.diffusion()?;
    results.words(format!("{diffusion:?}"));
    let caption = "Diffusion coefficients, errors of positions accounted for.";
    results.table(&format!("{of}diffusion"), caption, &diffusion.table()?)
}

/// What no single frame shows: what stands at every site of the crystal.
fn watched(results: &mut Results, found: &Found, material: Material) -> Result<Watched> {
    let watched = Watch::default().with_matter(material.matter()).read(found.movie)?;
    results.words(format!("{watched:?}"));
    let caption = "One frame; what it says of each site by itself; what all frames say.";
    results.figure("watched", caption, &watched.figure(found.movie.len() / 2)?)?;
    results.table("watched", "What stands where, by all frames.", watched.table())?;
    results.table("changes", "What each vacancy did, and when.", &watched.changes()?)?;
    Ok(watched)
}

/// How dopants with their vacancies change.
fn changes(results: &mut Results, found: &Found, material: Material, watched: &Watched) -> Result<()> {
    let matter = material.matter();
    let (dopant, vacancy) = (matter.crystal.dopant_name(), format!("V_{}", matter.crystal.mobile()));
    let beside = complexes(watched.table(), &dopant, &vacancy, 0.8 * found.lattice.period_px)?;
    let dopants = beside.lazy().with_column(col("site").alias("track")).filter(col("species").eq(lit(dopant.clone())));
    let with = |n: &str| format!("{dopant}+{n}{vacancy}");
    let names = [dopant.clone(), with(""), with("2"), with("3")];
    let sequences = Sequences::from_table(&dopants.collect()?, "state", &names)?;
    let interval_s = found.movie.calibration().s_per_frame;
    let states = States::of(&matter.crystal).lumped();
    let names = names.each_ref().map(String::as_str);
    let prior = Physics::of(&matter, &states).chain(interval_s)?.select(&names)?;
    let estimation = Estimation::default().with_seed(found.analysis.seed).with_prior(Some(prior));
    let estimate = estimation.of(&sequences, interval_s)?;
    let caption = format!("Chance of each change of a dopant with its vacancies in {interval_s} s.");
    add_estimate(results, &estimate, "complexes", &caption)?;
    let graph = estimate.chain.graph(&states.select(&names)?, 1e-3);
    results.figure("pathways", "The pathways between the states.", &graph)
}

fn add_estimate(results: &mut Results, estimate: &Estimate, name: &str, caption: &str) -> Result<()> {
    results.words(format!("{estimate:?}"));
    results.figure(name, caption, &estimate.figure())?;
    results.table(name, "The same with 95 % credible intervals.", &estimate.table()?)
}

fn hops(results: &mut Results, found: &Found, tracks: &Tracks) -> Result<()> {
    let options = Hopping::on_lattice(&found.lattice, found.movie.calibration()).with_seed(found.analysis.seed);
    let hops = tracks.hops(&options)?;
    results.words(format!("{hops:?}"));
    for (i, rose) in hops.figures().iter().enumerate() {
        results.figure(&format!("hops-{i}"), "Hops by direction.", rose)?;
    }
    results.table("hops", "How often each kind hops.", &hops.table()?)
}

fn coupling(results: &mut Results, found: &Found, tracks: &Tracks) -> Result<()> {
    let [(a, _), (b, _), ..] = found.kinds.as_slice() else {
        return Err(Error::data("there is only one kind of defect"));
    };
    let calibration = found.movie.calibration();
    let lattice_nm = found.lattice.basis_px.map(|v| v.map(|px| calibration.to_nm(px)));
    let period = calibration.to_nm(found.lattice.period_px);
    let field = [found.movie.height(), found.movie.width()].map(|px| calibration.to_nm(px as f64));
    let coupled = Coupling::default()
        .with_lattice_nm(Some(lattice_nm))
        .with_field_nm(Some(field))
        .with_reach_nm(6.0 * period)
        .with_bin_nm(0.3 * period)
        .with_adjacent_nm(0.8 * period)
        .with_draws(199)
        .with_seed(found.analysis.seed)
        .between(tracks, a, b)?;
    results.words(format!("{coupled:?}"));
    results.figure("coupling", &format!("Pairs of {a} and {b} by distance."), &coupled.figure())?;
    results.table("coupling", "The same in numbers.", &coupled.table()?)
}

fn transitions(results: &mut Results, found: &Found, tracks: &Tracks) -> Result<()> {
    let interval_s = found.movie.calibration().s_per_frame;
    let seen: Vec<String> = found.kinds.iter().map(|k| k.0.clone()).collect();
    let sequences = Sequences::from_table(tracks.table(), "species", &seen)?;
    let mut estimation = Estimation::default().with_seed(found.analysis.seed);
    // Where physics knows all of the kinds, what it says of them stands before the data.
    if let Some(material) = found.analysis.material {
        let matter = material.matter();
        let states = States::of(&matter.crystal).lumped();
        let names: Vec<&str> = seen.iter().map(String::as_str).collect();
        if let Ok(chain) = Physics::of(&matter, &states).chain(interval_s).and_then(|chain| chain.select(&names)) {
            results.words("Before the data stands what physics says of these kinds; moves it forbids stay zero.");
            estimation = estimation.with_prior(Some(chain));
        }
    }
    let estimate = estimation.of(&sequences, interval_s)?;
    add_estimate(results, &estimate, "transitions", &format!("Chance of each change in {interval_s} s, by the tracks."))
}

fn cell(results: &mut Results, found: &Found) -> Result<()> {
    let (kind, _) = found.kinds.first().ok_or_else(|| Error::data("no class has a name"))?;
    let whole = kinds::in_frame(&found.classes.defects)?;
    let species = found.classes.defects.table().column("species")?.str()?.clone();
    let keep: Vec<bool> = species.iter().zip(&whole).map(|(name, whole)| *whole && name == Some(kind)).collect();
    let of_kind = found.classes.defects.filter(&keep)?;
    let cells = UnitCells::default().with_seed(found.analysis.seed);
    let average = cells.average(&of_kind)?;
    results.figure(
        "cell",
        &format!("Average of the cells around {kind}, and its standard error."),
        &average.figure(),
    )?;
    let perfect = perfect_cells(&of_kind, &found.all, found.movie, &found.lattice)?;
    let distortion = cells.compare(&of_kind, &perfect)?;
    results.words(format!("{distortion:?}"));
    let caption = format!("How the columns around {kind} stand beside those of perfect cells.");
    results.figure("distortion", &caption, &distortion.figure())?;
    results.figure("modes", "Which of their components are more than chance.", &distortion.modes.figure())?;
    results.table("distortion", "The same in numbers.", &distortion.table()?)
}
