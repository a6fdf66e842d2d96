"""Writes small movies in every format that Atomotion reads, with other programs, and what is in them.

    python make_movie_files.py FOLDER            the small files that the tests and the fuzzer use
    python make_movie_files.py FOLDER --more     every number type, byte order, filter and chunk index as well

`FOLDER/expected.json` then holds, by file name, the shape, the values (or their sums, where there are many), and the
scales and units of the axes that were written. Needs what compare_readers.in lists.
"""

import json
import struct
import sys
import zlib
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import tifffile
from PIL import Image

EXPECTED = {}
NM, S = (0.05, "nm"), (0.25, "s")


def movie(dtype="uint16", shape=(3, 5, 4)):
    """Every pixel differs; signed types hold negative ones, floating-point types fractions."""
    values = np.arange(np.prod(shape)).reshape(shape) % 251
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return values % 3 == 0
    if dtype.kind == "f":
        return ((values - 7) / 4).astype(dtype)
    if dtype.kind == "i":
        return (values % 120 - 60).astype(dtype)
    return values.astype(dtype)


def expect(name, data, axes=(None, None, None), dataset=None, frames_axis=True):
    """`axes` are (scale, units) of frames, rows, columns; None where nothing was written."""
    data = np.asarray(data, dtype="float32").astype("float64")
    if data.ndim == 2:
        data = data[None]
    entry = {"shape": list(data.shape), "axes": [list(axis) if axis else None for axis in axes]}
    if data.size <= 400:
        entry["values"] = data.ravel().tolist()
    else:
        entry["sums"] = data.reshape(len(data), -1).sum(axis=1).tolist()
        entry["weighted"] = (data * np.arange(data[0].size).reshape(data[0].shape)).reshape(len(data), -1).sum(1).tolist()
    if dataset:
        entry["dataset"] = dataset
    EXPECTED[name] = entry


# NumPy

def numpy_files(folder, more):
    types = ["u1", "<i2", ">f4"] if not more else [
        order + kind for order in "<>" for kind in ("i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")
    ] + ["?", "i1", "u1"]
    for dtype in types:
        for fortran in (False, True) if more else (False,):
            data = np.asarray(movie(dtype), order="F" if fortran else "C")
            name = f"npy_{dtype.replace('<', 'little_').replace('>', 'big_').replace('?', 'bool')}{'_fortran' * fortran}.npy"
            np.save(folder / name, data)
            expect(name, data)
    np.save(folder / "npy_fortran.npy", np.asfortranarray(movie("f4")))
    expect("npy_fortran.npy", movie("f4"))
    np.savez(folder / "stored.npz", movie=movie("f4"))
    expect("stored.npz", movie("f4"))
    np.savez_compressed(folder / "deflated.npz", movie=movie("u2"))
    expect("deflated.npz", movie("u2"))
    np.savez_compressed(folder / "several.npz", first=movie("u2"), second=movie("i4"), table=np.arange(5))
    expect("several.npz", movie("i4"), dataset="second")
    np.savez_compressed(folder / "deflated_fortran.npz", a=np.asfortranarray(movie("f8")))
    expect("deflated_fortran.npz", movie("f8"))


# TIFF

def tiff_files(folder, more):
    def write(name, data, axes=(None, None, None), **options):
        tifffile.imwrite(folder / name, data, photometric="minisblack", **options)
        expect(name, data, axes)

    write("pages.tif", movie("u2"), metadata=None)
    write("big.tif", movie("f4"), bigtiff=True, metadata=None)
    write("big_endian.tif", movie("i2"), byteorder=">", metadata=None)
    write("imagej.tif", movie("f4"), (S, NM, NM), imagej=True, resolution=(20, 20),
          metadata={"unit": "nm", "finterval": 0.25, "axes": "TYX"})
    write("ome.tif", movie("u2"), (S, NM, NM), ome=True,
          metadata={"axes": "TYX", "PhysicalSizeX": 0.05, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.05,
                    "PhysicalSizeYUnit": "nm", "TimeIncrement": 0.25, "TimeIncrementUnit": "s"})
    large = movie("u2", (2, 40, 33))
    write("deflate.tif", large, compression="zlib", predictor=True, metadata=None)
    write("lzw.tif", large, compression="lzw", metadata=None, rowsperstrip=7)
    write("packbits.tif", large.astype("u1"), compression="packbits", metadata=None)
    write("tiled.tif", large, tile=(16, 16), compression="zlib", metadata=None)
    write("float_predictor.tif", movie("f4", (2, 40, 33)), compression="zlib", predictor=3, metadata=None)
    # Channels and time: two movies in one file.
    both = np.stack([movie("u2"), movie("u2") + 300], axis=1)
    tifffile.imwrite(folder / "channels.tif", both, imagej=True, metadata={"axes": "TCYX"})
    expect("channels.tif", both[:, 1], dataset="channel 1")
    with tifffile.TiffWriter(folder / "pyramid.tif") as writer:
        writer.write(movie("u2")[0], metadata=None)
        writer.write(movie("u2")[0, ::2, ::2], subfiletype=1, metadata=None)
    expect("pyramid.tif", movie("u2")[0])
    one_directory(folder / "imagej_large.tif", movie("u2"))
    expect("imagej_large.tif", movie("u2"), (S, None, None))
    bits = movie("u1", (8, 16))
    Image.fromarray((bits % 2 * 255).astype("u1")).convert("1").save(folder / "one_bit.tif")
    expect("one_bit.tif", bits % 2)
    if not more:
        return
    for byteorder in "<>":
        for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"):
            for big in (False, True):
                name = f"tiff_{kind}_{'little' if byteorder == '<' else 'big'}{'_bigtiff' * big}"
                write(f"{name}.tif", movie(kind), byteorder=byteorder, bigtiff=big, metadata=None)
                for how in ("zlib", "lzw"):
                    predictor = 3 if kind[0] == "f" else 2
                    write(f"{name}_{how}.tif", movie(kind, (2, 20, 17)), byteorder=byteorder, bigtiff=big,
                          compression=how, predictor=predictor, metadata=None, tile=(16, 16) if big else None)


def one_directory(path, data):
    """As ImageJ writes stacks of more than 4 GB: one directory, and the frames in a row."""
    tifffile.imwrite(path, data[0], metadata=None, description=(
        f"ImageJ=1.53t\nimages={len(data)}\nframes={len(data)}\nhyperstack=true\nfinterval=0.25\n"))
    with tifffile.TiffFile(path) as file:
        at, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    raw = path.read_bytes()
    assert at + count == len(raw), "the pixels should be at the end"
    path.write_bytes(raw[:at] + data.astype(data.dtype.newbyteorder("<")).tobytes())


# PNG

def png_files(folder, more):
    Image.fromarray(movie("u1", (9, 7))).save(folder / "grey8.png")
    expect("grey8.png", movie("u1", (9, 7)))
    Image.fromarray(movie("u2", (9, 7)) * 200).save(folder / "grey16.png")
    expect("grey16.png", movie("u2", (9, 7)) * 200)
    Image.fromarray((movie("u1", (9, 7)) % 2 * 255).astype("u1")).convert("1").save(folder / "grey1.png")
    expect("grey1.png", movie("u1", (9, 7)) % 2)


# MRC

def mrc_files(folder, more):
    for kind in ("i1", "i2", "f4", "u2", "f2"):
        name = f"mode_{kind}.mrc"
        with mrcfile.new(folder / name, overwrite=True) as file:
            file.set_data(movie(kind))
            file.voxel_size = 0.5
        expect(name, movie(kind), (None, NM, NM))
    header = bytearray((folder / "mode_i2.mrc").read_bytes()[:1024])
    words = struct.unpack("<56i", header[:224])
    turned = bytearray(struct.pack(">56i", *words)) + header[224:]
    turned[104:108] = header[104:108]
    turned[208:216] = b"MAP \x11\x11\0\0"
    (folder / "big_endian.mrc").write_bytes(bytes(turned) + movie(">i2").tobytes())
    expect("big_endian.mrc", movie("i2"), (None, NM, NM))


# TIA

def ser_file(folder, more):
    for kind, code in [("f4", 7)] if not more else zip(("u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"), range(1, 9)):
        for wide in (False, True):
            data = movie(kind)
            size = "Q" if wide else "I"
            version = 0x220 if wide else 0x210
            head = struct.pack("<HHHIIII" + size + "I", 0x4949, 0x0197, version, 0x4122, 0x4152, 3, 3, 0, 1)
            head += struct.pack("<IddII6sI", 3, 0.0, 1.0, 0, 6, b"Number", 0)
            at = len(head) - 4 - struct.calcsize("<IddII6sI") - struct.calcsize("<" + size)
            blocks, tags, offsets, tag_offsets = b"", b"", [], []
            for frame in data:
                offsets.append(len(head) + len(blocks))
                blocks += struct.pack("<ddIddIHII", 0.0, 5e-11, 0, 0.0, 5e-11, 0, code, 4, 5) + frame[::-1].tobytes()
            for i in range(3):
                tag_offsets.append(len(head) + len(blocks) + len(tags))
                tags += struct.pack("<HHI", 0x4152, 0, 1_600_000_000 + i)
            offsets_at = len(head) + len(blocks) + len(tags)
            head = head[:at] + struct.pack("<" + size, offsets_at) + head[at + struct.calcsize("<" + size):]
            array = struct.pack("<6" + size, *offsets, *tag_offsets)
            name = f"tia{'_' + kind if more else ''}{'_wide' * wide}_1.ser"
            (folder / name).write_bytes(head + blocks + tags + array)
            expect(name, data, (None, NM, NM))


# Digital Micrograph

class Tags:
    """Writes the tags of a DM3 or DM4 file."""

    def __init__(self, version, little):
        self.version, self.order = version, "<" if little else ">"

    def size(self, n):
        return struct.pack(">I" if self.version == 3 else ">Q", n)

    def group(self, entries):
        body = b"\0\1" + self.size(len(entries))
        for name, entry in entries:
            kind, content = entry
            raw = name.encode("latin-1")
            body += bytes([kind]) + struct.pack(">H", len(raw)) + raw
            if self.version == 4:
                body += struct.pack(">Q", len(content))
            body += content
        return 20, body

    def data(self, info, raw):
        return 21, b"%%%%" + self.size(len(info)) + b"".join(self.size(i) for i in info) + raw

    def number(self, kind, value):
        letter = {2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 11: "q", 12: "Q"}[kind]
        return self.data([kind], struct.pack(self.order + letter, value))

    def text(self, text):
        raw = text.encode("utf-16-le" if self.order == "<" else "utf-16-be")
        return self.data([20, 4, len(raw) // 2], raw)

    def array(self, kind, data):
        return self.data([20, kind, data.size], data.astype(data.dtype.newbyteorder(self.order)).tobytes())


DM_TYPES = {"i2": (1, 2), "f4": (2, 6), "u1": (6, 10), "i4": (7, 3), "i1": (9, 9), "u2": (10, 4), "u4": (11, 5),
            "f8": (12, 7), "?": (14, 8), "i8": (39, 11), "u8": (40, 12)}


def dm_file(path, data, version, little):
    tags = Tags(version, little)
    code, stored = DM_TYPES[data.dtype.str.lstrip("<>|=").replace("b1", "?")]

    def dimension(scale, units):
        return "", tags.group([("Origin", tags.number(6, 0)), ("Scale", tags.number(6, scale)), ("Units", tags.text(units))])

    def image(data, code, stored, sizes):
        return "", tags.group([
            ("ImageData", tags.group([
                ("Calibrations", tags.group([("Dimension", tags.group(
                    [dimension(0.05, "nm"), dimension(0.05, "nm"), dimension(0.25, "s")]))])),
                ("Data", tags.array(stored, data)),
                ("DataType", tags.number(5, code)),
                ("Dimensions", tags.group([("", tags.number(5, n)) for n in sizes])),
                ("PixelDepth", tags.number(5, data.itemsize)),
            ])),
            ("ImageTags", tags.group([("Microscope Info", tags.group([("Voltage", tags.number(7, 80000.0))])),
                                      ("DigiScan", tags.group([("Sample Time", tags.number(7, 2.5))])),
                                      ("Frame", tags.data([15, 0, 2, 0, 3, 0, 3], struct.pack(tags.order + "2i", 1, 2)))])),
            ("Name", tags.text("a movie")),
        ])

    thumbnail = np.zeros(4, "u4")
    content = tags.group([
        ("ImageList", tags.group([image(thumbnail, 23, 5, (2, 2)), image(data, code, stored, data.shape[::-1])])),
        ("Thumbnails", tags.group([("", tags.group([("ImageIndex", tags.number(5, 0))]))])),
    ])[1]
    head = struct.pack(">I", version) + tags.size(len(content) + 8) + struct.pack(">I", int(little))
    path.write_bytes(head + content + b"\0" * 8)


def dm_files(folder, more):
    for kind in DM_TYPES if more else ("u2", "f4"):
        for version in (3, 4):
            for little in (True, False):
                data = movie(kind)
                name = f"gatan_{kind.replace('?', 'bool')}_{'little' if little else 'big'}.dm{version}"
                dm_file(folder / name, data, version, little)
                expect(name, data, (S, NM, NM))


# HDF5

def h5_files(folder, more):
    versions = {"early": "earliest", "late": "latest"}
    if more:
        versions.update({"v108": ("v108", "v108"), "v110": ("v110", "v110"), "v114": ("v114", "v114")})
    layouts = {
        "plain": {},
        "chunked": {"chunks": (1, 3, 4)},
        "gzip": {"chunks": (2, 5, 3), "compression": "gzip"},
        "lzf": {"chunks": (1, 5, 4), "compression": "lzf", "shuffle": True},
        "checksum": {"chunks": (1, 5, 4), "fletcher32": True, "compression": "gzip", "shuffle": True},
        "growing": {"chunks": (1, 5, 4), "maxshape": (None, 5, 4)},
        "growing_gzip": {"chunks": (1, 2, 2), "maxshape": (None, 5, 4), "compression": "gzip"},
        "growing_last": {"chunks": (2, 2, 1), "maxshape": (3, 5, None)},
        "growing_all": {"chunks": (1, 2, 2), "maxshape": (None, None, None), "compression": "gzip"},
        "bounded": {"chunks": (1, 3, 2), "maxshape": (9, 7, 8)},
        "one_chunk": {"chunks": (3, 5, 4), "compression": "gzip"},
    }
    for version, libver in versions.items():
        for layout, options in layouts.items():
            name = f"h5_{layout}_{version}.h5"
            with h5py.File(folder / name, "w", libver=libver) as file:
                file.create_dataset("movie", data=movie("f4" if "lzf" in layout else "u2"), **options)
            expect(name, movie("f4" if "lzf" in layout else "u2"))
        name = f"h5_group_{version}.h5"
        with h5py.File(folder / name, "w", libver=libver) as file:
            group = file.create_group("a/b")
            for i in range(12):
                group.attrs[f"attribute {i}"] = i / 2
                group.create_group(f"child {i}")
            group["child 7"].create_dataset("movie", data=movie("i4"))
        expect(name, movie("i4"))
        name = f"h5_sparse_{version}.h5"
        with h5py.File(folder / name, "w", libver=libver) as file:
            data = file.create_dataset("movie", (3, 5, 4), "i2", chunks=(1, 5, 4), fillvalue=-5)
            data[1] = movie("i2")[1]
        full = np.full((3, 5, 4), -5, "i2")
        full[1] = movie("i2")[1]
        expect(name, full)
    with h5py.File(folder / "h5_several.h5", "w") as file:
        file["first"], file["group/second"] = movie("u2"), movie("i4")
    expect("h5_several.h5", movie("i4"), dataset="second")
    with h5py.File(folder / "h5_early_space.h5", "w", libver="latest") as file:
        space, plist = h5py.h5s.create_simple((3, 5, 4)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((1, 3, 4))
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        h5py.Dataset(h5py.h5d.create(file.id, b"movie", h5py.h5t.NATIVE_UINT16, space, plist))[...] = movie("u2")
    expect("h5_early_space.h5", movie("u2"))
    with h5py.File(folder / "h5_user_block.h5", "w", userblock_size=512) as file:
        file["movie"] = movie("u2")
    expect("h5_user_block.h5", movie("u2"))
    if not more:
        return
    for kind in [o + k for o in "<>" for k in ("i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")] + ["?", "i1", "u1"]:
        name = f"h5_type_{kind.replace('<', 'little_').replace('>', 'big_').replace('?', 'bool')}.h5"
        with h5py.File(folder / name, "w") as file:
            file["movie"] = movie(kind)
        expect(name, movie(kind))
    # Enough chunks for every kind of block of an index.
    shape = (3000, 4, 4)
    for version, libver in versions.items():
        for layout, maxshape in {"fixed": shape, "growing": (None, 4, 4), "tree": (None, None, 4)}.items():
            for filtered in (False, True):
                name = f"h5_many_{layout}_{version}{'_gzip' * filtered}.h5"
                with h5py.File(folder / name, "w", libver=libver) as file:
                    file.create_dataset("movie", data=movie("u2", shape), chunks=(1, 2, 4), maxshape=maxshape,
                                        compression="gzip" if filtered else None)
                expect(name, movie("u2", shape))
    shape = (200_000, 2, 2)
    with h5py.File(folder / "h5_pages.h5", "w", libver="latest") as file:
        file.create_dataset("movie", data=movie("u1", shape), chunks=(1, 2, 2), maxshape=(None, 2, 2))
    expect("h5_pages.h5", movie("u1", shape))
    with h5py.File(folder / "h5_many_children.h5", "w", libver="latest") as file:
        for i in range(3000):
            file.create_group(f"a group with a long name {i}")
            file.attrs[f"attribute {i}"] = "text " * 8
        file["movie"] = movie("u2")
    expect("h5_many_children.h5", movie("u2"))


def dialect_files(folder, more):
    velox(folder / "velox.emd")
    expect("velox.emd", movie("u2"), (S, NM, NM))
    with h5py.File(folder / "ncem.emd", "w") as file:
        file.attrs.update(version_major=0, version_minor=2)
        file.create_group("microscope").attrs["voltage"] = 80_000.0
        group = file.create_group("data/movie")
        group.attrs["emd_group_type"] = 1
        group["data"] = movie("f4")
        axes = [("time", "[s]", 0.25), ("y", "[n_m]", 0.05), ("x", "[n_m]", 0.05)]
        for i, (name, units, scale) in enumerate(axes):
            group[f"dim{i + 1}"] = np.arange(movie().shape[i]) * scale
            group[f"dim{i + 1}"].attrs.update(name=name, units=units)
    expect("ncem.emd", movie("f4"), (S, NM, NM))
    usid(folder / "usid.h5")
    expect("usid.h5", movie("f4"), (S, NM, NM))
    nsid(folder / "nsid.h5")
    expect("nsid.h5", movie("f4"), (S, NM, NM))
    import rsciio.emd
    import rsciio.hspy

    signal = hyperspy_signal()
    rsciio.hspy.file_writer(str(folder / "hyperspy.hspy"), signal)
    expect("hyperspy.hspy", movie("f4"), (S, NM, NM))
    rsciio.emd.file_writer(str(folder / "hyperspy_ncem.emd"), hyperspy_signal())
    expect("hyperspy_ncem.emd", movie("f4"), (S, NM, NM))


def hyperspy_signal():
    def axis(i, name, scale, units, navigate):
        return {"_type": "UniformDataAxis", "name": name, "units": units, "navigate": navigate, "size": movie().shape[i],
                "scale": scale, "offset": 0.0, "is_binned": False, "index_in_array": i}

    return {
        "data": movie("f4"),
        "axes": [axis(0, "t", 0.25, "s", True), axis(1, "y", 0.05, "nm", False), axis(2, "x", 0.05, "nm", False)],
        "metadata": {"General": {"title": "a movie", "date": "2024-05-01", "time": "12:00:00"}, "Signal": {},
                     "Acquisition_instrument": {"TEM": {"beam_energy": 80.0, "dwell_time": 2.5e-6}}},
        "original_metadata": {"anything": {"else": 3}},
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {}, "package_info": {}, "tmp_parameters": {}, "models": {},
    }


def velox(path):
    metadata = {
        "BinaryResult": {"PixelSize": {"width": "5e-11", "height": "5e-11"}, "PixelUnitX": "m", "PixelUnitY": "m",
                         "Offset": {"x": "0", "y": "0"}, "DetectorIndex": "0", "Detector": "HAADF"},
        "Scan": {"FrameTime": "0.25", "DwellTime": "2.5e-06"}, "Optics": {"AccelerationVoltage": "80000"},
        "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "1600000000"}},
        "Detectors": {"Detector-0": {"DetectorName": "HAADF", "DetectorType": "ScanningDetector"}}, "Core": {}, "Instrument": {"InstrumentModel": "Titan", "Manufacturer": "FEI"}, "Stage": {}, "CustomProperties": {},
    }
    raw = json.dumps(metadata).encode().ljust(1500, b"\0")
    with h5py.File(path, "w") as file:
        image = file.create_group("Data/Image/0123456789abcdef0123456789abcdef")
        image.create_dataset("Data", data=movie("u2").transpose(1, 2, 0), chunks=(5, 4, 1), maxshape=(5, 4, None))
        columns = np.repeat(np.frombuffer(raw, "u1")[:, None], 3, axis=1)
        image.create_dataset("Metadata", data=columns, chunks=(1500, 1), maxshape=(1500, None), compression="gzip")
        text = h5py.string_dtype()
        file.create_dataset("Version", data=[json.dumps({"format": "Velox", "version": "1.8"})], dtype=text)
        file.create_dataset("Info", data=["{}"], dtype=text)


def usid(path):
    data = movie("f4")
    t, h, w = data.shape
    with h5py.File(path, "w") as file:
        group = file.create_group("Measurement_000/Channel_000")
        main = group.create_dataset("Raw_Data", data=data.reshape(t, h * w).T)
        y, x = np.indices((h, w))

        def ancillary(name, values, labels, units):
            group[name] = values
            group[name].attrs["labels"] = np.array(labels, h5py.string_dtype())
            group[name].attrs["units"] = np.array(units, h5py.string_dtype())
            main.attrs[name] = group[name].ref

        positions = np.stack([x.ravel(), y.ravel()], axis=1)
        ancillary("Position_Indices", positions.astype("u4"), ["X", "Y"], ["nm", "nm"])
        ancillary("Position_Values", positions * 0.05, ["X", "Y"], ["nm", "nm"])
        ancillary("Spectroscopic_Indices", np.arange(t, dtype="u4")[None], ["Time"], ["s"])
        ancillary("Spectroscopic_Values", np.arange(t)[None] * 0.25, ["Time"], ["s"])
        main.attrs.update(quantity="Intensity", units="a.u.")


def nsid(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("Measurement_000/Channel_000/movie")
        main = group.create_dataset("movie", data=movie("f4"))
        main.attrs.update(quantity="Intensity", units="a.u.", data_type="IMAGE_STACK", main_data_name="movie")
        for i, (name, kind, scale) in enumerate([("t", "TEMPORAL", S), ("y", "SPATIAL", NM), ("x", "SPATIAL", NM)]):
            group[name] = np.arange(main.shape[i]) * scale[0]
            group[name].attrs.update(units=scale[1], quantity=name, dimension_type=kind)
            group[name].make_scale(name)
            main.dims[i].attach_scale(group[name])


def main():
    folder, more = Path(sys.argv[1]), "--more" in sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    for make in (numpy_files, tiff_files, png_files, mrc_files, ser_file, dm_files, h5_files, dialect_files):
        make(folder, more)
    (folder / "expected.json").write_text(json.dumps(EXPECTED, indent=None, separators=(",", ":"), sort_keys=True) + "\n")
    print(f"{len(EXPECTED)} files, {sum(p.stat().st_size for p in folder.iterdir())} bytes")


if __name__ == "__main__":
    main()
