use super::super::damage::{answers, edits};
use super::*;
use proptest::prelude::*;

fn open(bytes: &[u8], choice: Option<&str>) -> Result<Parsed, String> {
    parse(&Arc::new(Input::memory(bytes.to_vec())), choice)
}

/// A little-endian file of pages whose entries are (tag, value), each with one strip of `pixels`.
fn file(pages: &[&[(u16, u32)]], description: &str, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    let text_at = bytes.len() + pages.iter().map(|p| 2 + 12 * (p.len() + 2) + 4).sum::<usize>();
    for (i, entries) in pages.iter().enumerate() {
        let strip = (text_at + description.len()) as u32;
        bytes.extend((entries.len() as u16 + 2).to_le_bytes());
        for &(tag, value) in *entries {
            bytes.extend([tag.to_le_bytes(), 4_u16.to_le_bytes()].concat());
            bytes.extend([1, value].map(u32::to_le_bytes).concat());
        }
        bytes.extend([270_u16.to_le_bytes(), 2_u16.to_le_bytes()].concat());
        bytes.extend([description.len() as u32, text_at as u32].map(u32::to_le_bytes).concat());
        bytes.extend([273_u16.to_le_bytes(), 4_u16.to_le_bytes()].concat());
        bytes.extend([1, strip].map(u32::to_le_bytes).concat());
        let next = if i + 1 < pages.len() { bytes.len() as u32 + 4 } else { 0 };
        bytes.extend(next.to_le_bytes());
    }
    bytes.extend(description.bytes());
    bytes.extend(pixels);
    bytes
}

const PAGE: &[(u16, u32)] = &[(256, 2), (257, 2), (258, 8), (277, 1)];

#[test]
fn stacks_of_one_directory() {
    let pixels: Vec<u8> = (0..12).collect();
    let movie = open(&file(&[PAGE], "ImageJ=1.5\nimages=3\nframes=3\n", &pixels), None).unwrap();
    assert_eq!(movie.axes.each_ref().map(|axis| axis.size), [3, 2, 2]);
    assert_eq!(movie.frames.read(2).unwrap(), [8.0, 9.0, 10.0, 11.0]);
    let problem = open(&file(&[PAGE], "ImageJ=1.5\nimages=9\n", &pixels), None).err().unwrap();
    assert!(problem.contains("9 images of which 3"), "{problem}");
    // One image that another program saved with the words of a stack.
    let movie = open(&file(&[PAGE], "ImageJ=1.5\nimages=9\n", &pixels[..4]), None).unwrap();
    assert_eq!(movie.axes[0].size, 1);
    // Any number may be claimed: none is taken without the bytes for it.
    assert!(open(&file(&[PAGE], &format!("ImageJ=1.5\nimages={}\n", usize::MAX), &pixels), None).is_err());
}

#[test]
fn hyperstacks_are_movies_by_channel_and_slice() {
    let words = "ImageJ=1.5\nimages=12\nchannels=2\nslices=3\nframes=2\n";
    let pixels: Vec<u8> = (0..48).collect();
    let bytes = file(&[PAGE], words, &pixels);
    let problem = open(&bytes, None).err().unwrap();
    assert!(problem.contains("6 datasets") && problem.contains("\"channel 1 slice 2\" (2 frames)"), "{problem}");
    let movie = open(&bytes, Some("channel 1 slice 2")).unwrap();
    // Channels count fastest, then slices: planes 5 and 11.
    assert_eq!((movie.frames.read(0).unwrap()[0], movie.frames.read(1).unwrap()[0]), (20.0, 44.0));
}

#[test]
fn pages_that_go_round_in_a_circle() {
    let mut bytes = file(&[PAGE, PAGE], "", &[0; 4]);
    let next = 8 + 2 + 12 * 6;
    let second = next + 4 + 2 + 12 * 6;
    bytes[second..second + 4].copy_from_slice(&8_u32.to_le_bytes());
    assert!(open(&bytes, None).err().unwrap().contains("circle"));
}

#[test]
fn pages_that_cannot_be_read() {
    let problem = |change: (u16, u32)| {
        let mut page: Vec<_> = PAGE.iter().copied().filter(|(tag, _)| *tag != change.0).collect();
        page.push(change);
        let movie = open(&file(&[&page], "", &[0; 4]), None);
        movie.and_then(|movie| movie.frames.read(0)).unwrap_err()
    };
    assert!(problem((262, 2)).contains("colour"));
    assert!(problem((277, 3)).contains("colour"));
    assert!(problem((259, 7)).contains("compression 7"));
    assert!(problem((258, 24)).contains("24 bits"));
    assert!(problem((339, 6)).contains("complex"));
    assert!(problem((257, 9_000_000)).contains("cut short"));
    assert!(problem((256, 0)).contains("width"));
    assert!(problem((317, 4)).contains("predictor 4"));
}

#[test]
fn pixels_of_few_bits_and_white_as_zero() {
    let page: &[(u16, u32)] = &[(256, 3), (257, 2), (258, 4), (262, 0)];
    let movie = open(&file(&[page], "", &[0x0f, 0x50, 0x12, 0x30]), None).unwrap();
    assert_eq!(movie.frames.read(0).unwrap(), [15.0, 0.0, 10.0, 14.0, 13.0, 12.0]);
}

#[test]
fn ome_says_how_planes_are_ordered() {
    let words = "<?xml version=\"1.0\"?><OME><Image><Pixels SizeX='2' SizeY='2' SizeC='2' SizeZ=\"1\" SizeT=\"3\" \
                 DimensionOrder=\"XYTZC\" PhysicalSizeX=\"50\" PhysicalSizeXUnit=\"pm\" \
                 TimeIncrement=\"2\"/></Image></OME>";
    let bytes = file(&[PAGE; 6], words, &[7; 4]);
    let movie = open(&bytes, Some("channel 1")).unwrap();
    assert_eq!(movie.axes[0].seconds(), Some(2.0));
    assert_eq!(movie.axes[2].nm(), Some(0.05));
    assert!(open(&bytes, None).err().unwrap().contains("\"channel 0\" (3 frames), \"channel 1\" (3 frames)"));
}

proptest! {
    /// Every plane belongs to one part, once.
    #[test]
    fn parts_share_out_the_planes(c in 1_usize..4, z in 1_usize..4, t in 1_usize..4, order in 0_usize..6) {
        let letters = ["CZT", "CTZ", "ZCT", "ZTC", "TCZ", "TZC"];
        let of = |letter| match letter { 'C' => c, 'Z' => z, _ => t };
        let series = Series::new(letters[order].chars().map(|letter| (letter, of(letter))).collect());
        let mut planes: Vec<usize> = (0..series.parts()).flat_map(|part| series.planes(part)).collect();
        planes.sort_unstable();
        prop_assert_eq!(planes, (0..c * z * t).collect::<Vec<_>>());
    }

    #[test]
    fn damage_is_answered(which in any::<prop::sample::Index>(), edits in edits()) {
        let files = [
            include_bytes!("../../../../tests/data/formats/imagej.tif").as_slice(),
            include_bytes!("../../../../tests/data/formats/ome.tif").as_slice(),
            include_bytes!("../../../../tests/data/formats/big.tif").as_slice(),
            include_bytes!("../../../../tests/data/formats/tiled.tif").as_slice(),
            include_bytes!("../../../../tests/data/formats/lzw.tif").as_slice(),
            include_bytes!("../../../../tests/data/formats/imagej_large.tif").as_slice(),
        ];
        answers(files[which.index(files.len())], &edits);
    }
}
