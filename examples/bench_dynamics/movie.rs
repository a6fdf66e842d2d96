//! Detection in space and time on one simulated movie, beside baselines and limits.

use crate::specimen::{COLUMN_START, COLUMNS, FRAMES, HOST_START, HOSTS, columns_alone, hopping, hosts, matter};
use crate::watched::from_pixels;
use atomotion::Error;
use atomotion::markov::{Vacancy, best_f1, mean_of_frames, running_mean, sum_of_ratios};
use atomotion::ndarray::{Array2, Array3, Axis};
use atomotion::simulate::{Around, Experiment, Imaging, Matter, Recording, SiteEvidence};
use serde_json::{Value, json};

/// Evidence of the sites of one kind, what is believed of them, and what may stand there.
type Part<'a> = (&'a SiteEvidence, &'a Array3<f64>, &'a [(&'a str, [u8; 3])]);

/// Weights of all sites as they are believed.
fn believed(recording: &Recording, parts: &[Part]) -> Array2<f64> {
    let mut weights = recording.weights();
    let imaging = &recording.scan.imaging;
    for (evidence, posterior, candidates) in parts {
        for t in 0..posterior.dim().0 {
            for (i, &site) in evidence.sites.iter().enumerate() {
                let mean: f64 =
                    candidates.iter().enumerate().map(|(k, c)| posterior[[t, i, k]] * imaging.weight(c.1)).sum();
                weights[[t, site as usize]] = mean;
            }
        }
    }
    weights
}

/// Site and kind of every true vacancy in every frame.
fn true_tracks(recording: &Recording, columns: &SiteEvidence) -> Vec<Vec<Option<(usize, usize)>>> {
    let mut tracks = std::collections::BTreeMap::<u32, Vec<Option<(usize, usize)>>>::new();
    for t in 0..recording.movie.len() {
        let specimen = recording.evolution.specimen(t);
        for (i, &site) in columns.sites.iter().enumerate() {
            let kind = columns.truth[[t, i]];
            if let Some(track) = specimen.track(site as usize).filter(|_| (1..COLUMNS.len()).contains(&kind)) {
                tracks.entry(track).or_insert_with(|| vec![None; recording.movie.len()])[t] = Some((i, kind - 1));
            }
        }
    }
    tracks.into_values().collect()
}

const METHODS: [&str; 7] =
    ["one frame", "mean of frames", "running mean", "sum of ratios", "sites alone", "this model", "movie limit"];

/// True changes of a kind, and of how many the interval of the nearest change that was found holds the frame.
#[derive(Default)]
struct Timed {
    all: usize,
    found: usize,
    held: usize,
    /// Sum of the intervals' lengths in frames.
    frames: usize,
}

impl Timed {
    fn json(&self) -> Value {
        json!({ "all": self.all, "found": self.found, "held": self.held, "frames": self.frames })
    }
}

/// Hops, and losses of an atom, beside when they truly were: the first frame after each.
fn times(found: &[Vacancy], tracks: &[Vec<Option<(usize, usize)>>], shown: &Array2<bool>) -> [Timed; 2] {
    let mut timed = [Timed::default(), Timed::default()];
    let changes: Vec<_> = found.iter().filter(|v| v.probability > 0.5).flat_map(Vacancy::changes).collect();
    for track in tracks {
        for t in 1..track.len() {
            let (from, to) = (track[t - 1], track[t]);
            let which = match (from, to) {
                _ if from == to => continue,
                // What the frames do not show nobody can tell.
                _ if [from, to].into_iter().flatten().any(|(site, _)| !shown[[t, site]]) => continue,
                (Some((a, _)), Some((b, _))) if a != b => 0,
                (None | Some(_), Some(_)) => 1,
                _ => continue,
            };
            timed[which].all += 1;
            // The same change within a tenth of the movie.
            let same = |c: &&atomotion::markov::Change| {
                (which == 1 || c.from == from) && c.to == to && c.frame.abs_diff(t) <= FRAMES / 10
            };
            if let Some(change) = changes.iter().filter(same).min_by_key(|c| c.frame.abs_diff(t)) {
                timed[which].found += 1;
                timed[which].held += usize::from((change.between.0..=change.between.1).contains(&t));
                timed[which].frames += change.between.1 + 1 - change.between.0;
            }
        }
    }
    timed
}

/// Hops of V_2S a frame, as they truly were where the frames show them: those beside a dopant hardly hop.
fn counted(tracks: &[Vec<Option<(usize, usize)>>], shown: &Array2<bool>) -> f64 {
    let (mut hops, mut frames) = (0.0, 0.0);
    for track in tracks {
        for t in 1..track.len() {
            if let (Some((from, 1)), Some((to, 1))) = (track[t - 1], track[t])
                && shown[[t - 1, from]]
            {
                (hops, frames) = (hops + f64::from(u8::from(from != to)), frames + 1.0);
            }
        }
    }
    hops / f64::max(frames, 1.0)
}

/// F1 from pixels alone: what a movie gives of whose microscope nothing is known.
pub fn watch(seed: u64, dose: f64, hops: f64) -> Result<Value, Error> {
    let (_, recording) = recorded(seed, dose, hops)?;
    let rows = from_pixels(&recording)?;
    Ok(
        json!({ "species": rows.iter().map(|r| &r.0).collect::<Vec<_>>(), "alone": rows.iter().map(|r| r.1).collect::<Vec<_>>(),
        "all": rows.iter().map(|r| r.2).collect::<Vec<_>>() }),
    )
}

pub fn recorded(seed: u64, dose: f64, hops: f64) -> Result<(Matter, Recording), Error> {
    let matter = matter(hops);
    let imaging = Imaging::as_recorded().with_size_px(256).with_s_per_frame(5.0).with_counts_at_w(dose);
    let recording =
        Experiment::ws2().with_matter(matter.clone()).with_imaging(imaging).with_frames(FRAMES).simulate(seed)?;
    Ok((matter, recording))
}

/// F1 of every method for every species of one movie, and what else its vacancies say.
pub fn movie(seed: u64, dose: f64, hops: f64) -> Result<Value, Error> {
    let (matter, recording) = recorded(seed, dose, hops)?;
    let (host_model, column_model) = (hosts()?, hopping(&matter, hops)?);
    // Hosts first, which scatter most; then the columns beside what is believed of them, and both once more.
    let read_hosts = |around: &Array2<f64>| -> Result<_, Error> {
        let host = recording.evidence(&HOSTS, Around::Believed(around.view()))?;
        let posterior = host_model.posterior(&host.log_ratio)?;
        Ok((host, posterior))
    };
    let read_columns = |around: &Array2<f64>| -> Result<_, Error> {
        let columns = recording.evidence(&COLUMNS, Around::Believed(around.view()))?;
        let posterior = column_model.posterior(&columns.log_ratio, &columns.neighbours)?;
        Ok((columns, posterior))
    };
    let (host, posterior) = read_hosts(&recording.weights())?;
    let around = believed(&recording, &[(&host, &posterior, &HOSTS)]);
    let (columns, column_posterior) = read_columns(&around)?;
    let around = believed(&recording, &[(&host, &posterior, &HOSTS), (&columns, &column_posterior, &COLUMNS)]);
    let (host, host_posterior) = read_hosts(&around)?;
    let around = believed(&recording, &[(&host, &host_posterior, &HOSTS), (&columns, &column_posterior, &COLUMNS)]);
    let (columns, column_posterior) = read_columns(&around)?;
    let found = column_model.find(&columns.log_ratio, &columns.neighbours)?;
    // The limits know what else stands around.
    let truly = recording.evidence(&COLUMNS, Around::Truth)?;
    let tracks = true_tracks(&recording, &truly);
    let column_limit = column_model.movie_limit(&truly.log_ratio, &truly.neighbours, &truly.truth, &tracks)?;
    let host_limit = host_model.posterior(&recording.evidence(&HOSTS, Around::Truth)?.log_ratio)?;
    let alone = columns_alone(hops)?.posterior(&columns.log_ratio)?;
    let rate = column_model.hop_rate(&columns.log_ratio, &columns.neighbours, 1)?;
    let mut scores = vec![];
    for (name, evidence, which, posterior, limit, alone, start) in [
        ("V_S", &columns, 1, &column_posterior, &column_limit, &alone, &COLUMN_START),
        ("V_2S", &columns, 2, &column_posterior, &column_limit, &alone, &COLUMN_START),
        ("Mo_W", &host, 1, &host_posterior, &host_limit, &host_posterior, &HOST_START),
        ("V_W", &host, 2, &host_posterior, &host_limit, &host_posterior, &HOST_START),
    ] {
        let f1 =
            |score: &Array2<f64>| best_f1(score, &evidence.truth, &evidence.shown, which).map_or(f64::NAN, |b| b.f1);
        let of = |p: &Array3<f64>| f1(&p.index_axis(Axis(2), which).to_owned());
        let lengths = (0..FRAMES).map(|half| f1(&running_mean(&evidence.log_ratio, which, 2 * half + 1)));
        let row = vec![
            f1(&running_mean(&evidence.log_ratio, which, 1)),
            f1(&mean_of_frames(&evidence.log_ratio, which)),
            lengths.fold(0.0, f64::max),
            f1(&sum_of_ratios(&evidence.log_ratio, start, which)),
            of(alone),
            of(posterior),
            of(limit),
        ];
        scores.push(json!({ "species": name, "f1": row }));
    }
    let [hopped, lost] = times(&found, &tracks, &columns.shown);
    Ok(json!({
        "methods": METHODS,
        "scores": scores,
        "hop_rate": [rate.0, rate.1, rate.2],
        "hop_rate_counted": counted(&tracks, &columns.shown),
        "hopped": hopped.json(),
        "lost": lost.json(),
    }))
}
