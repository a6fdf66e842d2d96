//! Detection in space and time on movies of whose microscope nothing is told, beside what was simulated.

use atomotion::prelude::*;
use std::collections::BTreeSet;

fn recorded(counts: f64, frames: usize, seed: u64) -> Recording {
    let imaging = Imaging::as_recorded().with_size_px(192).with_s_per_frame(5.0).with_counts_at_w(counts);
    Experiment::ws2().with_imaging(imaging).with_frames(frames).simulate(seed).unwrap()
}

/// Species and places of a frame of a table.
fn rows(table: &DataFrame, frame: u32) -> Vec<(String, f32, f32)> {
    let column = |name: &str| table.column(name).unwrap().clone();
    let (f, s) = (column("frame"), column("species"));
    let (y, x) = (column("y_px"), column("x_px"));
    let (f, s, y, x) = (f.u32().unwrap(), s.str().unwrap(), y.f32().unwrap(), x.f32().unwrap());
    let of = |i: usize| (s.get(i).unwrap().to_owned(), y.get(i).unwrap(), x.get(i).unwrap());
    (0..table.height()).filter(|&i| f.get(i) == Some(frame)).map(of).collect()
}

/// Hits, what was called, and what is there away from the border, of one species.
fn hits(found: &DataFrame, truth: &DataFrame, frames: usize, species: &str, size: f32) -> (usize, usize, usize) {
    let (mut hit, mut called, mut there) = (0, 0, 0);
    for frame in 0..frames as u32 {
        let inside = |r: &&(String, f32, f32)| {
            r.0 == species && r.1 > 20.0 && r.2 > 20.0 && r.1 < size - 20.0 && r.2 < size - 20.0
        };
        let (ours, theirs) = (rows(found, frame), rows(truth, frame));
        let near = |r: &&(String, f32, f32)| theirs.iter().any(|t| t.0 == r.0 && (t.1 - r.1).hypot(t.2 - r.2) < 2.5);
        called += ours.iter().filter(inside).count();
        hit += ours.iter().filter(inside).filter(near).count();
        there += theirs.iter().filter(inside).count();
    }
    (hit, called, there)
}

/// Five counts at a W column: single frames show Mo and miss nearly every vacancy. All frames together find them.
#[test]
fn what_no_frame_shows_is_found_in_all_of_them() {
    let recording = recorded(5.5, 30, 5);
    let watched = Watch::default().read(&recording.movie).unwrap();
    println!("{watched:?}");
    let (hit, called, there) = hits(watched.table(), &recording.truth, 30, "Mo_W", 192.0);
    assert!(hit as f64 > 0.97 * there as f64 && hit as f64 > 0.97 * called as f64, "{hit} of {there}, {called} called");
    let (hit, called, there) = hits(watched.table(), &recording.truth, 30, "V_2S", 192.0);
    assert!(2 * hit > there && 10 * hit > 7 * called, "{hit} of {there}, {called} called");
    // Single frames, with the same evidence and the same fractions: how many pairs a frame, beside those of all frames.
    let table = watched.per_species().unwrap();
    let of = |name: &str| {
        let values = table.column(name).unwrap().f64().unwrap().clone();
        let row = table.column("species").unwrap().str().unwrap().iter().position(|s| s == Some("V_2S")).unwrap();
        values.get(row).unwrap()
    };
    assert!(of("alone") < 0.5 * of("a_frame"), "single frames find {} of {}", of("alone"), of("a_frame"));
    // Probabilities are what they say: as many are wrong as was announced, within a factor for what the model leaves out.
    let (mut announced, mut wrong, mut all) = (0.0, 0.0, 0.0);
    let called = watched.table();
    let p = called.column("probability").unwrap().f32().unwrap();
    announced += p.into_no_null_iter().map(|p| 1.0 - f64::from(p)).sum::<f64>();
    for species in ["Mo_W", "V_W", "V_S", "V_2S"] {
        let (hit, called, _) = hits(watched.table(), &recording.truth, 30, species, 192.0);
        (wrong, all) = (wrong + (called - hit) as f64, all + called as f64);
    }
    println!("{wrong} of {all} are wrong, {announced:.1} were announced");
    assert!(wrong < 0.2 * all && wrong < 4.0 * announced + 20.0);
}

/// Every site of two frames, one before and one after drift, is within 0.6 pixels of a column of its kind.
#[test]
fn the_lattice_is_followed_where_it_is() {
    let recording = recorded(20.0, 12, 8);
    let followed = Watch::default().with_matter(Matter::ws2()).follow(&recording.movie).unwrap();
    for frame in [0, 11] {
        let (ours, theirs) = (followed.sites(frame).unwrap(), recording.lattice(frame).unwrap());
        let of = |t: &DataFrame, name: &str| {
            t.column(name).unwrap().f32().unwrap().into_no_null_iter().collect::<Vec<f32>>()
        };
        let kinds =
            |t: &DataFrame| t.column("sublattice").unwrap().u8().unwrap().into_no_null_iter().collect::<Vec<u8>>();
        let (y, x, kind) = (of(&theirs, "ideal_y_px"), of(&theirs, "ideal_x_px"), kinds(&theirs));
        let (our_y, our_x, our_kind) = (of(&ours, "y_px"), of(&ours, "x_px"), kinds(&ours));
        let mut taken = BTreeSet::new();
        for i in 0..our_y.len() {
            let far = |j: &usize| (y[*j] - our_y[i]).hypot(x[*j] - our_x[i]);
            let near = (0..y.len()).min_by(|a, b| far(a).total_cmp(&far(b))).unwrap();
            // The truth ends at the border, too.
            let inside = our_y[i] > 4.0 && our_x[i] > 4.0 && our_y[i] < 187.0 && our_x[i] < 187.0;
            if inside {
                assert!(
                    far(&near) < 0.6 && kind[near] == our_kind[i],
                    "site {i} of frame {frame} is off by {}",
                    far(&near)
                );
                assert!(taken.insert(near), "two sites at one column");
            }
        }
        assert!(taken.len() > 500);
    }
}

/// Tables go on into what the library does with detections; labels are the movie's.
#[test]
fn what_was_read_can_be_linked_counted_and_taught() {
    let recording = recorded(20.0, 8, 3);
    let watched = Watch::default().with_rounds(1).read(&recording.movie).unwrap();
    let tracks = Linker::default().link(watched.table()).unwrap();
    assert!(tracks.len() > 2);
    assert!(concentration(watched.table()).is_ok());
    let labels = watched.labels(0).unwrap();
    let dark = rows(watched.table(), 0).iter().filter(|r| r.0 != "W_ad" && r.0 != "W_2S").count();
    assert_eq!(labels.count(Sign::Dark), dark);
    assert!(watched.figure(3).unwrap().to_svg().unwrap().contains("all frames"));
    assert!(watched.followed().figure(7).unwrap().to_svg().unwrap().contains("2S"));
    let changes = watched.changes().unwrap();
    let sure = watched.vacancies().iter().filter(|v| v.probability > 0.5);
    assert_eq!(changes.height(), sure.map(|v| v.changes().len()).sum::<usize>());
    assert!(watched.called(0.01).unwrap().height() > watched.table().height());
    assert!(watched.hop_rate("Mo_W").unwrap_err().to_string().contains("V_2S"), "names what it knows");
}

/// Grey values of another scale and black level, in a frame that is not square, give the same.
#[test]
fn units_and_shape_make_no_difference() {
    let recording = recorded(20.0, 6, 4);
    let movie = recording.movie.crop(20..170, 0..192).unwrap();
    let scaled = movie.map("times three", |frame| &frame.data * 3.0 + 40.0);
    let read = |movie: &Movie| Watch::default().with_rounds(1).read(movie).unwrap();
    let (one, other) = (read(&movie), read(&scaled));
    let (a, b) = (rows(one.table(), 3), rows(other.table(), 3));
    let same = a.iter().filter(|r| b.iter().any(|s| s.0 == r.0 && (s.1 - r.1).hypot(s.2 - r.2) < 1.0)).count();
    assert!(a.len() > 8 && 10 * same > 8 * a.len().max(b.len()), "{same} of {} and {}", a.len(), b.len());
    // A strip, twice as wide as it is high: what lies beyond it is neither noise nor defect.
    let strip = recording.movie.crop(40..136, 0..192).unwrap();
    let watched = read(&strip);
    let shifted =
        recording.truth.clone().lazy().with_column((col("y_px") - lit(40.0_f32)).alias("y_px")).collect().unwrap();
    let truth = rows(&shifted, 3);
    let found = rows(watched.table(), 3);
    let right = |r: &&(String, f32, f32)| truth.iter().any(|t| t.0 == r.0 && (t.1 - r.1).hypot(t.2 - r.2) < 2.5);
    let hit = found.iter().filter(right).count();
    assert!(hit > 3 && 4 * hit >= 3 * found.len(), "{hit} of {} are right", found.len());
}

/// One frame is a movie, too; rows need not be moved; a certainty beyond all numbers is a certainty.
#[test]
fn the_least_and_the_most_are_read() {
    let recording = recorded(70.0, 1, 6);
    let watched = Watch::default().with_jitter(false).read(&recording.movie).unwrap();
    let (hit, _, there) = hits(watched.table(), &recording.truth, 1, "Mo_W", 192.0);
    assert!(hit > 0 && hit == there, "{hit} of {there}");
    let mut matter = Matter::ws2();
    matter.composition = matter.composition.with_antisite(0.01).with_double(0.01);
    let imaging = Imaging::clean().with_size_px(192).with_s_per_frame(5.0).with_counts_at_w(150.0);
    let bright =
        Experiment::ws2().with_matter(matter.clone()).with_imaging(imaging).with_frames(3).simulate(9).unwrap();
    let watched = Watch::default().with_matter(matter).read(&bright.movie).unwrap();
    for species in ["W_2S", "V_2S"] {
        let (hit, called, there) = hits(watched.table(), &bright.truth, 3, species, 192.0);
        assert!(
            there > 2 && 10 * hit >= 8 * there && 10 * hit >= 8 * called,
            "{species}: {hit} of {there}, {called} called"
        );
    }
}

/// What cannot be followed says so.
#[test]
fn the_wrong_crystal_is_refused() {
    let says = |watch: &Watch, movie: &Movie| watch.read(movie).unwrap_err().to_string();
    let recording = recorded(70.0, 2, 1);
    let wrong = says(&Watch::default().with_matter(Matter::graphene()), &recording.movie);
    assert!(wrong.contains("graphene"), "{wrong}");
    assert!(says(&Watch::default().with_rounds(0), &recording.movie).contains("rounds"));
    assert!(says(&Watch::default().with_mean_frames(0), &recording.movie).contains("mean_frames"));
    let imaging = Imaging::clean().with_size_px(192).with_nm_per_px(0.012);
    let carbon =
        Experiment::ws2().with_matter(Matter::graphene()).with_imaging(imaging).with_frames(2).simulate(2).unwrap();
    let wrong = says(&Watch::default(), &carbon.movie);
    assert!(wrong.contains("WS2") || wrong.contains("lattice"), "{wrong}");
    let noise =
        Movie::from_array(Array3::from_shape_fn((3, 128, 128), |(t, y, x)| ((t * 7 + y * 31 + x * 17) % 13) as f32))
            .unwrap();
    assert!(Watch::default().read(&noise).is_err());
}
