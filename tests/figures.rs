//! Figures are drawn, the same each time, with what they must show.

use atomotion::prelude::*;

#[test]
fn labels_as_svg_and_png() {
    let movie = Ws2::default().with_size_px(96).with_mo_fraction(0.05).simulate(3).unwrap().movie;
    let labels = PeriodicityBreak::default().label(&movie.frame(0).unwrap()).unwrap();
    let figure = labels.figure();
    let svg = figure.to_svg().unwrap();
    assert!(svg.contains("<image") && svg.contains("nm</text>".trim_end_matches("</text>")), "image and scale bar");
    assert!(svg.matches("<circle").count() >= 2 * labels.regions.len(), "a ring and its outline for each label");
    assert_eq!(svg, figure.to_svg().unwrap());
    let png = figure.to_png(2.0).unwrap();
    let reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
    let (width, height) = figure.size();
    assert_eq!((reader.info().width, reader.info().height), (2 * width, 2 * height));
}

#[test]
fn every_figure_is_more_than_paper() {
    let movie = Ws2::default().with_size_px(128).with_frames(3).with_mo_fraction(0.05).simulate(3).unwrap().movie;
    let labels = PeriodicityBreak::default().label(&movie.frame(0).unwrap()).unwrap();
    let detector = Detector::train(&labels, &Training::default().with_steps(120)).unwrap();
    let defects = detector.find_with(&movie, &Decoding::default().with_threshold(0.05), &mut ()).unwrap();
    let components = Pca::new(4).fit(&defects).unwrap();
    let classes = KMeans::new(2).fit(&defects).unwrap();
    let evidence = Evidence::default().with_surrogates(20).with_marked_fraction(0.05);
    let figures = [
        movie.figure().unwrap(),
        detector.figure(),
        defects.counts_figure().unwrap(),
        defects.figure(&movie.frame(1).unwrap()).unwrap(),
        classes.defects.figure(&movie.frame(2).unwrap()).unwrap(),
        classes.figure(),
        components.figure(),
        components.patches_figure(),
        evidence.split_half(&movie.frame(0).unwrap()).unwrap().figure(),
    ];
    for figure in figures {
        let png = figure.to_png(1.0).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let ink = pixels.iter().filter(|&&v| v < 200).count();
        assert!(ink > pixels.len() / 200, "{figure:?} is nearly blank");
        assert!(figure.to_svg().unwrap().ends_with("</svg>\n"), "{figure:?}");
    }
}

#[test]
fn frames_are_drawn_beside_each_other() {
    let texture = |dose: f64| {
        let movie = Ws2::default().with_size_px(96).with_dose(dose).simulate(3).unwrap().movie;
        Texture::of(&movie.frame(0).unwrap()).unwrap()
    };
    let figures = texture(5.0).figures(&texture(50.0));
    for (figure, word) in figures.iter().zip(["along x", "along y", "pixels away", "standard deviations"]) {
        let svg = figure.to_svg().unwrap();
        assert!(svg.contains(word) && svg.matches("<polyline").count() >= 2, "{figure:?}");
        for dose in ["5 counts", "50 counts"] {
            assert!(svg.contains(dose), "{dose} in {figure:?}");
        }
    }
}

fn noisy() -> Movie {
    Ws2::default().with_size_px(64).with_frames(5).simulate(3).unwrap().movie
}

/// Rows of red, green and blue.
fn pixels(figure: &Figure) -> (usize, Vec<u8>) {
    let png = figure.to_png(1.0).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    if reader.info().color_type == png::ColorType::Grayscale {
        pixels = pixels.into_iter().flat_map(|v| [v; 3]).collect();
    }
    (reader.info().width as usize, pixels)
}

#[test]
fn text_is_outlines_with_its_words_kept() {
    let movie = noisy();
    let svg = movie.figure().unwrap().to_svg().unwrap();
    assert!(!svg.contains("<text") && !svg.contains("font"), "no viewer's font is asked for");
    assert!(svg.contains("aria-label=\"frame 4, 4.0 s\"") || svg.contains("aria-label=\"frame 4,"), "words are kept");
    // Each outline stands there once, and names of two figures on one page do not meet.
    let ids = |svg: &str| -> Vec<String> {
        svg.split(" id=\"").skip(1).map(|s| s.split('"').next().unwrap().to_string()).collect()
    };
    let mut first = ids(&svg);
    let all = first.len();
    first.sort();
    first.dedup();
    assert!(all > 5 && first.len() == all, "every name is given once");
    let other = ids(&movie.frame(1).unwrap().figure().to_svg().unwrap());
    assert!(other.iter().all(|id| !first.contains(id)), "two figures share a name");
    for part in svg.split("xlink:href=\"#").skip(1) {
        let id = part.split('"').next().unwrap();
        assert!(first.iter().any(|f| f == id), "{id} is used and not there");
    }
}

#[test]
fn files_are_the_same_bytes_each_time() {
    let figure = noisy().figure().unwrap().with_theme(Theme::Print).with_width(Width::Single);
    let again = noisy().figure().unwrap().with_theme(Theme::Print).with_width(Width::Single);
    assert_eq!(figure.to_svg().unwrap(), again.to_svg().unwrap());
    assert!(figure.to_pdf().unwrap() == again.to_pdf().unwrap());
    assert!(figure.to_png(2.0).unwrap() == again.to_png(2.0).unwrap());
    assert!(figure.to_svg().unwrap().contains("width=\"89mm\""));
    // 89 mm are 252 points.
    let pdf = String::from_utf8_lossy(&figure.to_pdf().unwrap()).into_owned();
    let box_ = pdf.split("/MediaBox [").nth(1).unwrap().split(']').next().unwrap();
    let width: f64 = box_.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!((width - 252.28).abs() < 0.1, "{box_}");
}

#[test]
fn themes_change_the_paper_and_leave_the_data() {
    let figure = noisy().frame(0).unwrap().figure();
    let (width, light) = pixels(&figure.clone().with_theme(Theme::Light));
    let (_, dark) = pixels(&figure.clone().with_theme(Theme::Dark));
    assert_eq!(&light[..3], &[255; 3]);
    assert!(dark[..3].iter().all(|v| *v < 40));
    let middle = 3 * (width * 200 + width / 2);
    assert_eq!(light[middle..middle + 90], dark[middle..middle + 90], "the image is the same");
    let (_, magma) = pixels(&figure.with_colours(ColourMap::Magma));
    assert_ne!(light[middle..middle + 90], magma[middle..middle + 90]);
}

#[test]
fn text_can_be_read_at_every_width() {
    let movie = noisy();
    let figure = movie.figure().unwrap();
    for width in [Width::Mm(40.0), Width::Single, Width::Double, Width::Mm(400.0)] {
        let figure = figure.clone().with_width(width);
        let smallest = figure.smallest_text_pt().unwrap().unwrap();
        assert!(smallest >= 5.99, "{width:?}: {smallest} points");
    }
    for bad in [0.0, 29.0, f64::NAN, 1e9] {
        let error = figure.clone().with_width(Width::Mm(bad)).to_svg().unwrap_err().to_string();
        assert!(error.contains("width") && error.contains("30 to 500 mm"), "{error}");
    }
}

#[test]
fn figures_are_put_together() {
    let movie = noisy();
    let frames: Vec<Figure> = (0..5).map(|i| movie.frame(i).unwrap().figure()).collect();
    let (w, h) = frames[0].size();
    let (beside, above) = (frames[0].beside(&frames[1]).unwrap(), frames[0].above(&frames[1]).unwrap());
    assert!(beside.size().0 > 2 * w && beside.size().1 == h, "{:?}", beside.size());
    assert!(above.size().0 == w && above.size().1 > 2 * h, "{:?}", above.size());
    let grid = Figure::grid(&frames, 3).unwrap().with_letters();
    let svg = grid.to_svg().unwrap();
    for letter in ["a", "b", "c", "d", "e"] {
        assert!(svg.contains(&format!("aria-label=\"{letter}\"")), "letter {letter}");
    }
    assert_eq!(svg.matches("<image").count(), 5);
    let counts = Experiment::ws2().with_frames(3).simulate(1).unwrap().counts_figure().unwrap();
    let longer = Experiment::ws2().with_frames(9).simulate(1).unwrap().counts_figure().unwrap();
    let (own, shared) = (counts.above(&longer).unwrap(), counts.above(&longer).unwrap().with_shared_axes());
    let eights = |f: &Figure| f.to_svg().unwrap().matches("aria-label=\"8\"").count();
    assert!(eights(&shared) > eights(&own), "the upper chart's axis does not reach the lower one's last frame");
    let inset = frames[0].with_inset(&counts, InsetAt::TopRight, 0.5).unwrap();
    assert_eq!(inset.size(), frames[0].size());
    assert!(inset.to_svg().unwrap().contains("defects in view"));
    assert!(Figure::grid(&[], 2).is_err() && Figure::grid(&frames, 0).is_err());
    assert!(frames[0].with_inset(&counts, InsetAt::TopLeft, 1.5).unwrap_err().to_string().contains("share"));
}

#[test]
fn a_movie_is_a_contact_sheet() {
    let sheet = noisy().contact_sheet(&[0, 2, 4]).unwrap();
    let svg = sheet.to_svg().unwrap();
    assert_eq!(svg.matches("<image").count(), 3);
    assert_eq!(svg.matches(" nm\"").count() + svg.matches(" pm\"").count(), 1, "one scale bar");
    assert!(noisy().contact_sheet(&[]).is_err() && noisy().contact_sheet(&[5]).is_err());
}

#[test]
fn animations_are_bounded_and_say_so() {
    let movie = noisy();
    let all = movie.animation().to_html().unwrap();
    assert_eq!(all.matches("\"caption\":").count(), 5);
    assert!(!all.contains("frames, so that"));
    let small = movie.animation().with_side_px(512).with_most_bytes(100_000).with_most_frames(2).to_html().unwrap();
    assert_eq!(small.matches("\"caption\":").count(), 2);
    assert!(small.contains("2 of 5 frames, so that the page stays small"));
    let folder = std::env::temp_dir().join(format!("atomotion-animations-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, start) in [("a.gif", &b"GIF89a"[..]), ("a.apng", b"\x89PNG"), ("a.png", b"\x89PNG")] {
        movie.save_animation(folder.join(name)).unwrap();
        assert!(std::fs::read(folder.join(name)).unwrap().starts_with(start), "{name}");
    }
    let ffmpeg = std::process::Command::new("ffmpeg").arg("-version").output().is_ok();
    match movie.save_animation(folder.join("a.mp4")) {
        Ok(()) => assert!(ffmpeg && std::fs::metadata(folder.join("a.mp4")).unwrap().len() > 1000),
        Err(problem) => assert!(!ffmpeg && problem.to_string().contains("ffmpeg"), "{problem}"),
    }
    assert!(movie.save_animation(folder.join("a.avi")).unwrap_err().to_string().contains(".gif, .png or .mp4"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), if ffmpeg { 4 } else { 3 }, "nothing else is left");
    std::fs::remove_dir_all(&folder).unwrap();
    let error = movie.animation().with_frames_per_s(0.0).to_gif().unwrap_err().to_string();
    assert!(error.contains("frames_per_s"), "{error}");
}
