-- Runs the fault matrix, faults × modes of the server, and writes it as a table of
-- Markdown.
-- Owns: the servers, the folders and the preloaded libraries while it runs.
-- Does not know: faults, what should come of them.

local cells = require "spec.keeper.faults.cell"
local child = require "spec.support.child"
local oauth_server = require "spec.support.oauth_server"
local rows = require "spec.keeper.faults.rows"

local matrix = {}

matrix.MODES = { "idempotent", "grace", "strict" }

local AT_ONCE = 10 -- cells

local function build(folder)
  local tools = {}
  for name, source in pairs { disk = "command/disk.c", clock = "keeper/faults/wall_clock.c" } do
    tools[name] = ("%s/%s.so"):format(folder.path, name)
    local path = child.path("spec/" .. source)
    assert(0 == select(1, folder:run(("cc -shared -fPIC -o %s %s -ldl"):format(child.quote(tools[name]), path))))
  end
  return tools
end

local function task(results, row, number, mode, server, folder, tools)
  return function()
    local path = ("%s/%s-%d"):format(folder.path, mode, number)
    assert(os.execute("mkdir " .. child.quote(path)))
    local cell = cells.new(server, mode, ("%s-%d"):format(mode, number), path, row.life)
    row.run(cell, tools)
    results[row.text][mode] = { verdict = cell:verdict(), before = cell.before, after = cell:counts() }
    cell:close()
  end
end

--- Runs the rows that `is_chosen(text)` and that can run here.
---@return table results  text -> mode -> { verdict, before, after }: counts of the server before others came, and at the end
---@return string[] texts  in order
function matrix.run(is_chosen)
  local folder = child.folder "large"
  local tools, results, texts, tasks, servers = build(folder), {}, {}, {}, {}
  for _, mode in ipairs(matrix.MODES) do servers[mode] = oauth_server.start { mode = mode, grace = cells.GRACE } end
  for number, row in ipairs(rows) do
    if (not is_chosen or is_chosen(row.text)) and (not row.needs or row.needs()) then
      texts[#texts + 1], results[row.text] = row.text, {}
      for _, mode in ipairs(matrix.MODES) do
        tasks[#tasks + 1] = task(results, row, number, mode, servers[mode], folder, tools)
      end
    end
  end
  local ok, problem = pcall(cells.run_all, tasks, AT_ONCE)
  for _, server in pairs(servers) do server:stop() end
  folder:remove()
  if not ok then error(problem, 0) end
  return results, texts
end

--- The row of the table.
function matrix.line(text, by_mode)
  local parts = { text }
  for _, mode in ipairs(matrix.MODES) do parts[#parts + 1] = by_mode[mode].verdict end
  return "| " .. table.concat(parts, " | ") .. " |"
end

function matrix.head()
  return "| fault | " .. table.concat(matrix.MODES, " | ") .. " |\n|---|" .. ("---|"):rep(#matrix.MODES)
end

return matrix
