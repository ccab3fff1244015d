-- Shows the progress of many refreshes: a bar on a terminal, else a line for each file,
-- or JSON for scripts.
-- Owns: the output while the refreshes run, and the number of failures.
-- Does not know: session files, calls.

local core = require "grid.core"
local output = require "grid.cli.output"
local times = require "grid.cli.times"

local progress = {}
local Progress = { __name = "grid.cli.progress" }
Progress.__index = Progress

local WIDTH = 40
local INTERVAL = 0.05 -- seconds between two updates of the bar

-- A bar needs a terminal that obeys a carriage return.
local function can_show_bar()
  local kind = os.getenv "TERM" or ""
  return kind ~= "" and kind ~= "dumb" and core.is_terminal(1) and core.is_terminal(2)
end

function progress.new(to, total)
  return setmetatable({
    output = to, total = total, done = 0, failed = 0, since = core.now(), updated_at = 0,
    bar = not to.json and can_show_bar(), width = 0,
  }, Progress)
end

-- Blanks erase the last bar: some terminals have no escape sequence for that.
local function show(self, bar)
  io.stderr:write("\r", bar, (" "):rep(self.width - #bar))
  self.width = #bar
end

local function erase(self)
  if self.width > 0 then show(self, "") end
  if self.bar then io.stderr:write "\r" end
end

local function update_bar(self)
  local now = core.now()
  if not self.bar or now - self.updated_at < INTERVAL and self.done < self.total then return end
  self.updated_at = now
  local filled = math.floor(WIDTH * self.done / self.total)
  show(self, ("[%s%s] %d of %d, %d failed, %.0f/s"):format(
    ("#"):rep(filled), ("."):rep(WIDTH - filled),
    self.done, self.total, self.failed, self.done / (now - self.since)))
  io.stderr:flush()
end

--- A line on standard error about a file.
function Progress:remark(name, text)
  erase(self)
  output.tell(name .. ": " .. text)
end

--- Counts a file: refreshed with `res`, or failed with `err`. `fields` are members of its
--- JSON object.
function Progress:count(name, res, err, fields)
  self.done = self.done + 1
  local object = fields or {}
  object.file, object.refreshed = name, res ~= nil
  if res then
    object.key_expires_at = res.expires_at
    if not self.bar then
      self.output:line("%s: refreshed, its key expires %s", name, times.text(res.expires_at))
    end
  else
    self.failed = self.failed + 1
    object.error = output.describe_error(err)
    self:remark(name, tostring(err))
  end
  self.output:object(object)
  update_bar(self)
end

--- Writes the totals.
function Progress:finish()
  erase(self)
  local refreshed = self.done - self.failed
  self.output:line("%d of %d refreshed, %d failed, in %.1f s",
    refreshed, self.total, self.failed, core.now() - self.since)
  self.output:object { files = self.total, refreshed = refreshed, failed = self.failed }
end

return progress
