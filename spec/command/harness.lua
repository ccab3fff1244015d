-- Runs the command as users do, in a process of its own, in a folder of its own, against
-- a sandbox.
-- Owns: the folder and the sandbox, until `stop`.

local child = require "spec.support.child"
local json = require "spec.sandbox.json"
local sandbox = require "spec.support.sandbox"

local harness = {}
local Harness = { __name = "spec.command.harness" }
Harness.__index = Harness

harness.GRID = "env " .. child.vm .. " " .. child.path "lua/bin/grid"

-- A shell lets its background ignore ^C, and who starts a shell may let it ignore more.
harness.IN_BACKGROUND = "env --default-signal " .. harness.GRID

-- A word that must never be seen: what the sandbox takes as API key.
harness.API_KEY = "canary-api-key-0123456789"

function harness.start(options)
  options = options or {}
  options.api_key = harness.API_KEY
  local self = setmetatable({ server = sandbox.share(options), folder = child.folder() }, Harness)
  self.folder:run "mkdir tmp"
  return self
end

function Harness:stop()
  self.server:stop()
  self.folder:remove()
end

--- A sandbox as new, and an empty folder.
function Harness:clear()
  self.server:reset()
  self.folder:run "chmod -R u+w . 2>/dev/null; rm -rf ./* && mkdir tmp"
end

function Harness:env(more)
  local env = {
    GRID_BASE_URL = self.server.https, GRID_CA_FILE = self.server.ca, GRID_API_KEY = harness.API_KEY,
    GRID_ENVIRONMENT = "sandbox", TMPDIR = self.folder.path .. "/tmp", XDG_RUNTIME_DIR = "", http_proxy = "", https_proxy = "",
  }
  for name, value in pairs(more or {}) do env[name] = value end
  return env
end

local PRELUDE = [[
grid() { %s "$@"; }
CONTROL=%s/_control
executed() { curl -sf "$CONTROL/stats?executions=$1" >/dev/null || exit 9; }
held() { curl -sf "$CONTROL/stats?held=$1" >/dev/null || exit 9; }
release() { curl -s -X POST "$CONTROL/release" >/dev/null; }
]]

--- Runs a shell script in which `grid` is the command, $CONTROL the sandbox's control
--- address, `executed N` waits until so many requests were, `held N` until so many
--- answers are, and `release` lets go of those. -> exit code, stdout, stderr
function Harness:shell(script, env)
  local code, out, err = self.folder:run(PRELUDE:format(harness.GRID, self.server.http) .. script, self:env(env))
  return code, out, err
end

--- Builds spec/command/disk.c, to be preloaded. -> the variables that preload it and
--- those of `more`
function Harness:on_disk(more)
  local path = "./tmp/disk.so" -- the list of what to preload cannot hold a path with blanks
  local code, _, problem = self.folder:run(("cc -shared -fPIC -o %s %s -ldl"):format(path, child.path "spec/command/disk.c"))
  assert(code == 0, problem)
  local env = { LD_PRELOAD = path }
  for name, value in pairs(more) do env[name] = value end
  return env
end

--- Runs the command with these words. -> exit code, stdout, stderr
function Harness:grid(words, env)
  local code, out, err = self:shell("exec " .. harness.GRID .. " " .. words, env)
  return code, out, err
end

-- The code comes from the control address into a pipe that the command reads.
local LOGIN = [[
  mkfifo code
  grid login --email ann@example.com --session %s %s <code &
  exec 3>code
  until otp=$(curl -sf "$CONTROL/otp?email=ann@example.com"); do sleep 0.05; done
  echo "$otp" | sed 's/.*"otp_code":"\([0-9]\{3\}\)\([0-9]*\)".*/%s/' >&3
  exec 3>&-
  wait $!]]

--- Runs `grid login` for a session file of that name; the halves of the code are spelled
--- as sed is told, "\\1\\2". -> exit code, stdout, stderr
function Harness:login(name, more, env, spelled)
  local code, out, err = self:shell(LOGIN:format(name, more or "", spelled or "\\1\\2"), env)
  self.folder:run "rm -f code"
  return code, out, err
end

--- A session file for a session that the sandbox has just made; or a bare one, and
--- another file with its key. Returns the sandbox's record, with `private_key`.
function Harness:write_session(name, bare)
  local grid = require "grid"
  local pair = assert(grid.keypair())
  local made = self.server:sessions { email = name .. "@example.com", encryption_public_key = pair.public_key }[1]
  made.private_key = pair:export()
  if bare then
    self.folder:write(name, made.kms_payload_json)
    self.folder:write(name .. ".key", made.private_key .. "\n")
  else
    self.folder:write(name, ('{"address":"%s","kms_payload":%s,"private_key":"%s","note":[ ]}'):format(
      made.address, made.kms_payload_json, made.private_key))
  end
  pair:close()
  return made
end

--- What a short script prints, without the last line break.
function Harness:said(script)
  return (select(2, self.folder:run(script)):gsub("\n$", ""))
end

function Harness:mode(name)
  return self:said(("stat -c %%a '%s'"):format(name))
end

--- A file's JSON, or nil.
function Harness:json(name)
  local text = self.folder:read(name)
  return text and json.decode(text) or nil
end

--- The lines of JSON in a text.
function harness.objects(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do list[#list + 1] = assert(json.decode(line)) end
  return list
end

--- The tokens and keys of a session file as it is read.
function harness.secrets(file)
  local payload = file.kms_payload or file
  local privy = payload.session.Privy
  return {
    harness.API_KEY, privy.token, privy.privy_access_token, privy.refresh_token, file.private_key,
    privy.session.encrypted_authorization_key.ciphertext,
  }
end

return harness
