// Downloads one artifact of this run.
const path = require("node:path");
const { DefaultArtifactClient } = require("@actions/artifact");
const core = require("@actions/core");

async function main() {
  const client = new DefaultArtifactClient();
  const name = core.getInput("name", { required: true });
  const target = path.resolve(core.getInput("path"));
  const [owner, repository] = (core.getInput("repository") || process.env.GITHUB_REPOSITORY).split("/");
  // As in the real action: a token means the public API, and a run that need not be this one.
  const token = core.getInput("github-token");
  const options = token
    ? { findBy: { token, workflowRunId: Number(core.getInput("run-id")), repositoryOwner: owner, repositoryName: repository } }
    : {};
  const { artifact } = await client.getArtifact(name, options);
  await client.downloadArtifact(artifact.id, { path: target, ...options });
  core.setOutput("download-path", target);
}

main().catch((error) => core.setFailed(error.message));
