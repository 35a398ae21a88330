// Uploads files and folders; a single folder is the root of what it holds, as in the real action.
const fs = require("node:fs");
const path = require("node:path");
const { DefaultArtifactClient } = require("@actions/artifact");
const core = require("@actions/core");

function files(place) {
  if (!fs.statSync(place).isDirectory()) return [place];
  return fs.readdirSync(place).flatMap((name) => files(path.join(place, name)));
}

function commonFolder(paths) {
  const split = paths.map((place) => path.dirname(place).split(path.sep));
  const length = split[0].findIndex((part, place) => split.some((other) => other[place] !== part));
  return split[0].slice(0, length < 0 ? undefined : length).join(path.sep) || path.sep;
}

async function main() {
  const places = core.getMultilineInput("path", { required: true }).map((place) => path.resolve(place));
  const found = places.filter((place) => fs.existsSync(place));
  const all = found.flatMap(files);
  if (all.length === 0) {
    const said = `No files were found with the provided path: ${places.join(", ")}`;
    const how = core.getInput("if-no-files-found");
    if (how === "error") core.setFailed(said);
    else if (how !== "ignore") core.warning(said);
    return;
  }
  const one = found.length === 1 && fs.statSync(found[0]).isDirectory();
  const root = one ? found[0] : commonFolder(all);
  const made = await new DefaultArtifactClient().uploadArtifact(core.getInput("name"), all, root);
  core.setOutput("artifact-id", made.id);
}

main().catch((error) => core.setFailed(error.message));
