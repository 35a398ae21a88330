// Downloads one artifact of this run.
const path = require("node:path");
const { DefaultArtifactClient } = require("@actions/artifact");
const core = require("@actions/core");

async function main() {
  const client = new DefaultArtifactClient();
  const { artifact } = await client.getArtifact(core.getInput("name", { required: true }));
  const target = path.resolve(core.getInput("path"));
  await client.downloadArtifact(artifact.id, { path: target });
  core.setOutput("download-path", target);
}

main().catch((error) => core.setFailed(error.message));
