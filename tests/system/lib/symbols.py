"""Who defines and who calls what, read from the objects of the build (nm), and what follows from it."""
import collections
import json
import pathlib
import re

from . import paths, process

class Symbols:
    """defined and wanted: source file (relative) -> names with external linkage."""

    def __init__(self, defined, wanted):
        self.defined, self.wanted = defined, wanted
        self.places = collections.defaultdict(list)
        for name, symbols in defined.items():
            for symbol in symbols:
                self.places[symbol].append(name)

    def place_of(self, symbol, asker):
        """Where a name that asker wants is defined: in its own program, where there are several."""
        places = self.places.get(symbol, [])
        near = [place for place in places if place.split("/")[0] == asker.split("/")[0]]
        return (near or places or [None])[0]

    def calls(self):
        for asker, symbols in self.wanted.items():
            for symbol in symbols:
                place = self.place_of(symbol, asker)
                if place and place != asker:
                    yield asker, place, symbol


def ours(name):
    return not name.startswith(("tests/", "bench/", "build/")) and not name.startswith("..")


def of_build(build=paths.BUILD, root=paths.ROOT):
    defined, wanted, objects = {}, {}, {}
    for unit in json.loads((build / "compile_commands.json").read_text()):
        source = (pathlib.Path(unit["directory"]) / unit["file"]).resolve()
        name = source.relative_to(root).as_posix() if source.is_relative_to(root) else "../" + source.name
        if name not in defined and (build / unit["output"]).is_file():
            objects[unit["output"]] = name
            defined[name], wanted[name] = set(), set()
    for line in process.run(["nm", "--portability", "--print-file-name", *objects], cwd=build).stdout.splitlines():
        file, symbol, kind = line.split()[:3]
        if symbol.startswith("__"):  # the compiler's own, sanitizers'
            continue
        if kind in "TDBRCV":
            defined[objects[file.rstrip(":")]].add(symbol)
        elif kind == "U":
            wanted[objects[file.rstrip(":")]].add(symbol)
    return Symbols(defined, wanted)


def twice(symbols):
    """Exported names that two files define."""
    return {symbol: sorted(places) for symbol, places in symbols.places.items()
            if symbol != "main" and len([place for place in places if ours(place)]) > 1}


def unused(symbols):
    """Exported names that no other file wants: static, or not needed at all."""
    wanted = set().union(*symbols.wanted.values())
    return sorted(f"{place}: {symbol}" for symbol, places in symbols.places.items() for place in places
                  if ours(place) and symbol != "main" and symbol not in wanted)


def circles(edges):
    """Groups of nodes that reach each other (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for to in edges.get(node, ()):
            if to not in index:
                visit(to)
                low[node] = min(low[node], low[to])
            elif to in stack:
                low[node] = min(low[node], index[to])
        if low[node] == index[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return sorted(found)


def folder_circles(symbols, folder_of):
    edges = collections.defaultdict(set)
    for asker, place, _ in symbols.calls():
        if ours(asker) and ours(place) and folder_of(asker) != folder_of(place):
            edges[folder_of(asker)].add(folder_of(place))
    return circles(edges)


def headers(symbols, root=paths.ROOT):
    """symbol -> the header that declares it, in the folder of the file that defines it."""
    found, texts = {}, {}
    for name, names in symbols.defined.items():
        folder = (root / name).parent
        if not ours(name) or not names:
            continue
        for header in sorted(folder.glob("*.h")):
            text = texts.setdefault(header, set(re.findall(r"\w+", re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S))))
            for symbol in names & text:
                found.setdefault((name, symbol), header.relative_to(root).as_posix())
    return found


def header_circles(symbols, root=paths.ROOT):
    """Within a folder: files that call each other although they have different headers."""
    declared = headers(symbols, root)
    home = collections.defaultdict(set)
    for (name, _), header in declared.items():
        home[name].add(header)
    edges = collections.defaultdict(set)
    for asker, place, symbol in symbols.calls():
        if not ours(asker) or pathlib.PurePosixPath(asker).parent != pathlib.PurePosixPath(place).parent:
            continue
        header = declared.get((place, symbol), place)
        if header not in home[asker]:
            edges.setdefault(header, set())
            for own in home[asker] or {asker}:
                edges[own].add(header)
    return circles(edges)
